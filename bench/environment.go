package bench

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// Environment says where this process runs. What it cannot find is "unknown".
func Environment() Env {
	cpu := cpuInfo()
	return Env{
		OS: runtime.GOOS + "/" + runtime.GOARCH, Kernel: firstLine("/proc/sys/kernel/osrelease"),
		CPU: cpu["model name"], Cores: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0),
		Governor: firstLine("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
		Virtual:  strings.Contains(" "+cpu["flags"]+" ", " hypervisor "),
		Go:       runtime.Version(), Load: firstLine("/proc/loadavg"), Commit: commit(),
	}
}

const unknown = "unknown"

func firstLine(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return unknown
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

// cpuInfo is what the system says of the first processor.
func cpuInfo() map[string]string {
	info := map[string]string{"model name": unknown}
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return info
	}
	first, _, _ := strings.Cut(string(text), "\n\n")
	for line := range strings.Lines(first) {
		key, value, _ := strings.Cut(line, ":")
		info[strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	return info
}

// commit is that of the source in the working directory.
func commit() string {
	head, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return unknown
	}
	changed, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no").Output()
	if err != nil || len(changed) > 0 {
		return strings.TrimSpace(string(head)) + "+"
	}
	return strings.TrimSpace(string(head))
}

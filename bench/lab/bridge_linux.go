package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// A kernelBridge joins hosts by a bridge of the kernel's in a namespace of its
// own. One goroutine at a time may call its methods.
type kernelBridge struct {
	ns    *namespace
	hosts []*Host
	dark  map[int]bool // hosts that are cut off
}

func newBridge(hosts []*Host, c Config) (fabric, error) {
	ns, err := newNamespace()
	if err != nil {
		return nil, err
	}
	b := &kernelBridge{ns, hosts, make(map[int]bool)}
	// Without snooping groups are flooded, as the other fabric does it.
	_, err = ns.ip(fmt.Sprintf("link add br0 type bridge mcast_snooping 0\n"+
		"link set br0 addrgenmode none mtu %d\nlink set br0 up\n", c.MTU), nil)
	for i := 0; i < len(hosts) && err == nil; i++ {
		err = b.plug(i, c.MTU)
	}
	if err != nil {
		ns.close()
		return nil, err
	}
	return b, nil
}

// plug joins a host to the bridge.
func (b *kernelBridge) plug(host, mtu int) error {
	name := b.portName(host)
	commands := fmt.Sprintf("link add %s mtu %d type veth peer name %s mtu %d netns /proc/self/fd/3\n"+
		"link set %s addrgenmode none master br0\nlink set %s up\n", name, mtu, interfaceName, mtu, name, name)
	return b.hosts[host].ns.with(func(f *os.File) error {
		_, err := b.ns.ip(commands, f)
		return err
	})
}

// ready waits until all ports in the bridge forward. The kernel notices by and by that both
// ends of a cable are up, and drops frames until then.
func (b *kernelBridge) ready() error {
	const patience = 10 * time.Second
	ports := len(b.hosts)
	for _, on := range b.dark {
		if on {
			ports--
		}
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		said, err := b.ns.ip("link show master br0\n", nil)
		if err != nil {
			return err
		}
		if strings.Count(said, "bridge_slave state forwarding") == ports {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the bridge's ports do not forward after %v: %s", patience, said)
		}
	}
}

func (b *kernelBridge) portName(host int) string { return "v" + strconv.Itoa(host+1) }

func (b *kernelBridge) setFaults(_ int, rules []Faults) error {
	if len(rules) > 0 {
		return ErrNoFaults
	}
	return nil
}

// blackout takes the host's port from the bridge. Its interface keeps its
// carrier, and with it its routes.
func (b *kernelBridge) blackout(host int, on bool) error {
	master := "master br0"
	if on {
		master = "nomaster"
	}
	if _, err := b.ns.ip(fmt.Sprintf("link set %s %s\n", b.portName(host), master), nil); err != nil {
		return err
	}
	b.dark[host] = on
	return b.ready()
}

func (b *kernelBridge) stats(host int) (Stats, error) {
	d, err := b.hosts[host].ns.deviceCounts()
	return Stats{Sent: d.txPackets, Missed: d.txDropped, Delivered: d.rxPackets}, err
}

func (b *kernelBridge) close() { b.ns.close() }

// deviceCounts are what the kernel has counted for e0.
type deviceCounts struct{ rxPackets, txPackets, txDropped uint64 }

func (n *namespace) deviceCounts() (d deviceCounts, err error) {
	var table []byte
	err = n.inside(func() error {
		table, err = os.ReadFile("/proc/thread-self/net/dev")
		return err
	})
	if err != nil {
		return d, err
	}
	// Eight columns of what is received, of which packets are the second, and
	// eight of what is sent, with packets the second and drops the fourth.
	const columns = 16
	for line := range bytes.Lines(table) {
		name, rest, _ := bytes.Cut(line, []byte(":"))
		fields := bytes.Fields(rest)
		if string(bytes.TrimSpace(name)) != interfaceName || len(fields) != columns {
			continue
		}
		for i, to := range map[int]*uint64{1: &d.rxPackets, 9: &d.txPackets, 11: &d.txDropped} {
			if *to, err = strconv.ParseUint(string(fields[i]), 10, 64); err != nil {
				return d, err
			}
		}
		return d, nil
	}
	return d, errors.New("the interface is not in /proc/net/dev")
}

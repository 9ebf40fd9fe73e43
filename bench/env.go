package bench

// Env is where a run took place.
type Env struct {
	OS         string `json:"os"`         // GOOS/GOARCH
	Kernel     string `json:"kernel"`     // release
	CPU        string `json:"cpu"`        // model name
	Cores      int    `json:"cores"`      // logical processors this process may use
	Governor   string `json:"governor"`   // of the first processor; "unknown" where hidden
	Virtual    bool   `json:"virtual"`    // runs under a hypervisor
	Go         string `json:"go"`         // version
	GOMAXPROCS int    `json:"gomaxprocs"` //
	Commit     string `json:"commit"`     // of the source; "+" at its end if that was changed
	Load       string `json:"load"`       // load average at the start
	Backend    string `json:"backend"`    // that zeroring chooses here, and why
}

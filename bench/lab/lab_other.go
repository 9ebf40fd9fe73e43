//go:build !linux

package lab

import (
	"errors"
	"os"
	"os/exec"
)

// Elsewhere there are no network namespaces. These keep the package building.

var errNotLinux = errors.New("lab: only Linux has network namespaces")

// Missing returns an error: only Linux has network namespaces.
func Missing(Fabric) error { return errNotLinux }

// Reexec returns an error: only Linux has network namespaces.
func Reexec() error { return errNotLinux }

type namespace struct{}

func newNamespace() (*namespace, error)                { return nil, errNotLinux }
func (*namespace) inside(func() error) error           { return errNotLinux }
func (*namespace) ip(string, *os.File) (string, error) { return "", errNotLinux }
func (*namespace) close()                              {}
func newSwitch([]*Host, Config) (fabric, error)        { return nil, errNotLinux }
func newBridge([]*Host, Config) (fabric, error)        { return nil, errNotLinux }
func tie(*exec.Cmd)                                    {}

type nursery struct{}

func newNursery() *nursery             { return nil }
func (*nursery) do(func() error) error { return errNotLinux }
func (*nursery) close()                {}

//go:build !linux

package reactor

import "errors"

// chooseBackend: the kernel drivers are for Linux. Elsewhere the package builds
// with the simulator only, so that what depends on it can be tested.
func chooseBackend(*Config) (Backend, func() (driver, error), error) {
	return Backend{}, nil, errors.New("reactor: only simulated networks on this system")
}

// fallBack: there is nothing to fall back to.
func fallBack(*Config, Backend, error) (Backend, func() (driver, error)) { return Backend{}, nil }

func setAffinity([]int) error { return errors.ErrUnsupported }

package reactor

import "errors"

// A Network is a simulated network.
type Network struct{}

func (n *Network) add(*Group)    {}
func (n *Network) remove(*Group) {}

func chooseSim(*Config) (Backend, func() (driver, error), error) {
	return Backend{}, nil, errors.New("reactor: no simulator yet")
}

//go:build !linux

package reactor

// inbox and outbox are what the kernel sees of a DatagramReader and a
// DatagramWriter, where there is a kernel driver.
type (
	inbox  struct{}
	outbox struct{}
)

func (*inbox) open(messages, size int) {}
func (*outbox) open(messages int)      {}

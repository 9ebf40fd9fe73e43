package bench

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// A Role is what one process does of a workload.
type Role string

// The roles.
const (
	RoleSend    Role = "send"    // sends until its time is over
	RoleRecv    Role = "recv"    // receives until the ends of all streams
	RoleBoth    Role = "both"    // send and recv, or ask and echo, in one process
	RoleAsk     Role = "ask"     // sends requests and times the replies
	RoleEcho    Role = "echo"    // sends back what it receives
	RoleProxy   Role = "proxy"   // forwards
	RoleConnect Role = "connect" // makes connections and sends one message on each
	RoleGather  Role = "gather"  // waits for that message of each
	RoleWatch   Role = "watch"   // looks at multicast packets as they come
)

// A Job is what a process is told, as arguments key=value in any order; a key
// that is missing is zero or empty, and one that a program does not know is an
// error. Then the process and the one that started it talk by lines:
//
//	process                                  the one that started it
//	endpoint tcp://127.0.0.1:40001           reads each socket's (or, of a proxy,
//	                                         first the front's, then the back's)
//	ready                                    has now all that bind, and starts
//	                                         those that connect
//	                                         when all are ready, writes to each
//	                                         go
//	… the work …                             when those that end by themselves (send,
//	                                         recv, both, ask, connect, gather)
//	                                         have, closes the input of the rest
//	results, as lines "key value", at the
//	end of the work or of the input; then
//	done
//
// A line "error" with words in place of "done" says what went wrong. A connect
// prints its results once its connections are made, and keeps them until its
// input ends.
//
// Results are whole numbers unless said otherwise:
//
//	setting       words: something that was configured, any number of times
//	version       words: of the library that was measured
//	backend       words: what its I/O runs on, and why
//	messages      that were sent, received or answered in the window
//	ns            the window's length
//	cpu_ns        processor time of the process in the window
//	total         messages of the whole run
//	allocs        allocations in the window
//	gc_pause_ns   that the collector stopped the world for in the window
//	rss_kb        the most memory that was resident, in KiB
//	hist          two numbers, a latency in nanoseconds and how often, any number
//	              of times, in ascending order
//	late          requests of an open loop that were never sent in the window
//	elapsed_ns    of a gather: from the first connect to the last message
//	rss0_kb       of a gather: resident before the connections
//	rss1_kb       of a gather: resident with them, after settle
//
// The receivers and the source of multicast have more; see Cast:
//
//	lost          messages between those that came that never did
//	ended         1 if the end of the stream came
//	first_ns      from just before it joined to its first message
//	caught_ns     from then until messages came as they were sent
//	past          messages that were sent before it joined, and came
//	silence_ns    the longest time without a message while there were some to come
//	early_ns      the median latency in the first third of the window
//	later_ns      and in the last
//	in0, in1 …    messages that were sent in a phase, and came
//	during0 …     messages that came while a phase went on
//	phases        of a source: how many it could keep up with
//	octets        of a watch: of the packets in the window
//	error_ppm     of a watch: the greatest error of the rate over 100 ms
//	burst_ns      of a watch: how far ahead of its rate the source was at most
//	naks, gaps …  whatever else a system counts, for whoever looks closer
type Job struct {
	Role      Role      `key:"role"`
	Pattern   Pattern   `key:"pattern"`
	Transport Transport `key:"transport"`
	Bind      string    `key:"bind"`     // an endpoint with * for what may be chosen: each socket binds it
	Connect   []string  `key:"connect"`  // endpoints, separated by commas: socket i connects to the (i mod n)th
	Size      int       `key:"size"`     //
	Sockets   int       `key:"sockets"`  // of this role
	Streams   int       `key:"streams"`  // ends that each socket of a recv waits for
	Ordered   bool      `key:"ordered"`  // whether each socket receives one stream, in order
	Conns     int       `key:"conns"`    // that each socket makes
	Threads   int       `key:"threads"`  // of a send
	Reactors  int       `key:"reactors"` // I/O threads; 0 is the default
	Window    int       `key:"window"`
	Topics    int       `key:"topics"`
	Wait      int       `key:"wait"`   // subscriptions, or peers, that a send waits for before it starts
	HWM       int       `key:"hwm"`    // of each side of each connection
	Gap       int64     `key:"gap"`    // nanoseconds
	Rate      int       `key:"rate"`   // a second
	Warmup    int64     `key:"warmup"` // nanoseconds
	Duration  int64     `key:"duration"`
	Settle    int64     `key:"settle"`
	BusyPoll  bool      `key:"busypoll"`

	// Of multicast; see Cast.
	Phases    []string `key:"phases"`    // of a source, separated by commas: messages a second, a colon, nanoseconds
	Drain     int64    `key:"drain"`     // nanoseconds that a receiver waits for the end of a stream that should be over
	Late      int64    `key:"late"`      // nanoseconds from the start to when a receiver joins
	Take      int      `key:"take"`      // messages a second that a receiver takes at most
	Limit     int64    `key:"limit"`     // bits a second that a source may send; 0 is as many as it can
	History   int      `key:"history"`   // packets of the past that a source offers, and receivers ask for
	NoOffload bool     `key:"nooffload"` // neither GSO nor GRO
	Defaults  bool     `key:"defaults"`  // windows and the kernel's buffers are the system's own
}

// Args writes a job as arguments.
func (j Job) Args() (args []string) {
	v := reflect.ValueOf(j)
	for i := range v.NumField() {
		key, field := v.Type().Field(i).Tag.Get("key"), v.Field(i)
		switch {
		case field.IsZero():
		case field.Kind() == reflect.Slice:
			args = append(args, key+"="+strings.Join(field.Interface().([]string), ","))
		case field.Kind() == reflect.Bool:
			args = append(args, key+"=1")
		default:
			args = append(args, fmt.Sprintf("%s=%v", key, field))
		}
	}
	return args
}

// ParseJob reads a job from arguments.
func ParseJob(args []string) (j Job, err error) {
	v := reflect.ValueOf(&j).Elem()
	keys := make(map[string]reflect.Value)
	for i := range v.NumField() {
		keys[v.Type().Field(i).Tag.Get("key")] = v.Field(i)
	}
	for _, arg := range args {
		key, value, _ := strings.Cut(arg, "=")
		field, ok := keys[key]
		if !ok {
			return j, fmt.Errorf("argument %q: no key %q", arg, key)
		}
		switch field.Kind() {
		case reflect.String:
			field.SetString(value)
		case reflect.Slice:
			field.Set(reflect.ValueOf(strings.Split(value, ",")))
		case reflect.Bool:
			field.SetBool(value == "1")
		default:
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return j, fmt.Errorf("argument %q: %w", arg, err)
			}
			field.SetInt(n)
		}
	}
	return j, nil
}

// Stamp is how the job's messages are stamped.
func (j Job) Stamp() Stamp { return Workload{Size: j.Size, Topics: j.Topics}.Stamp() }

func (j Job) warmup() time.Duration   { return time.Duration(j.Warmup) }
func (j Job) duration() time.Duration { return time.Duration(j.Duration) }

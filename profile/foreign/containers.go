package foreign

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/profile"
)

// maxListed is how many containers an error lists, and maxContainers how many
// are told apart.
const (
	maxListed     = 20
	maxContainers = 10_000
)

// Subject is the container that a record is about, as far as the record tells.
// The zero Subject is the host.
type Subject struct {
	Namespace string // of Kubernetes
	Pod       string
	Container string // its name
	ID        string // of the container, with or without runtime://
	Image     string // a digest or reference
}

// identity is what tells containers apart: replicas and restarts of one
// container are one.
type identity struct{ namespace, container, image string }

func (s Subject) isHost() bool { return s.Container == "" && s.ID == "" && s.Pod == "" }

func (s Subject) identity() identity {
	name := s.Container
	if name == "" && s.Pod == "" {
		name = bareID(s.ID)
	}
	return identity{s.Namespace, name, s.Image}
}

// idDigits is how many digits of a container's id tell it from others. Recorders
// give 12 to 64.
const idDigits = 12

// bareID is the first digits of a container's id.
func bareID(id string) string {
	if _, bare, ok := strings.Cut(id, "://"); ok {
		id = bare
	}
	return id[:min(len(id), idDigits)]
}

// matches reports whether a container is the one that was chosen.
func (o Options) matches(s Subject) bool {
	if o.Namespace != "" && o.Namespace != s.Namespace || o.Pod != "" && o.Pod != s.Pod {
		return false
	}
	if o.Container == "" || o.Container == s.Container {
		return true
	}
	id := bareID(o.Container)
	return len(id) == idDigits && id == bareID(s.ID)
}

func (o Options) chooses() bool { return o.Container+o.Pod+o.Namespace != "" }

// Containers keeps apart what the containers of one stream did, with a T for
// each that may be the one to import. It stops to keep anything once there are
// several of them, and only lists them.
type Containers[T any] struct {
	opts    Options
	start   func(Subject) *T
	found   map[identity]*found[T]
	named   map[identity]identity // by namespace and name: the last one with an image
	several bool
	host    *T
	hosts   bool // events of the host were seen
}

type found[T any] struct {
	subject Subject
	pods    map[string]bool
	value   *T
}

// NewContainers makes a value by start for a container when it is first seen.
func NewContainers[T any](opts Options, start func(Subject) *T) *Containers[T] {
	return &Containers[T]{opts: opts, start: start, found: map[identity]*found[T]{}, named: map[identity]identity{}}
}

// Of is the value of a container, or nil if it is not to be imported. Processes
// of the host count only where there is no container at all.
func (c *Containers[T]) Of(s Subject) *T {
	if c.opts.chooses() && (s.isHost() || !c.opts.matches(s)) {
		return nil
	}
	if s.isHost() {
		c.hosts = true
		if c.host == nil && len(c.found) == 0 {
			c.host = c.start(s)
		}
		return c.host
	}
	c.host = nil
	id := c.identify(s)
	f, ok := c.found[id]
	if !ok {
		if len(c.found) >= maxContainers {
			return nil
		}
		f = &found[T]{subject: s, pods: map[string]bool{}}
		c.found[id] = f
		if len(c.found) == 1 {
			f.value = c.start(s)
		} else if !c.several {
			c.several = true
			for _, other := range c.found {
				other.value = nil
			}
		}
	}
	f.pod(s)
	if f.subject.ID == "" {
		f.subject.ID = s.ID
	}
	return f.value
}

// identify is the identity of a container. Records that leave out the image are
// of the container of that name that has one.
func (c *Containers[T]) identify(s Subject) identity {
	id := s.identity()
	name := identity{id.namespace, id.container, ""}
	switch known, ok := c.named[name]; {
	case id.image == "" && ok:
		return known
	case id.image != "":
		if f := c.found[name]; f != nil {
			delete(c.found, name)
			f.subject.Image = s.Image
			c.found[id] = f
		}
		if ok || len(c.named) < maxContainers {
			c.named[name] = id
		}
	}
	return id
}

func (f *found[T]) pod(s Subject) {
	if s.Pod != "" && len(f.pods) < maxContainers {
		f.pods[s.Pod] = true
	}
}

// Chosen is the container to import. It fails where there is none, and where
// there are several and nothing was chosen.
func (c *Containers[T]) Chosen() (*T, profile.Subject, error) {
	switch {
	case len(c.found) == 0 && c.opts.chooses():
		return nil, profile.Subject{}, fmt.Errorf("no record is of %s", c.wanted())
	case len(c.found) == 0 && c.host == nil:
		return nil, profile.Subject{}, fmt.Errorf("no record is of a container")
	case len(c.found) == 0:
		return c.host, profile.Subject{}, nil
	case len(c.found) > 1:
		return nil, profile.Subject{}, fmt.Errorf("it holds %d containers: choose one with --container, --pod and --namespace: %s", len(c.found), c.list())
	}
	for _, f := range c.found {
		s := profile.Subject{Container: toText(f.subject.Container), ContainerID: toText(bare(f.subject.ID))}
		s.Workload.Namespace = toText(f.subject.Namespace)
		if len(f.pods) == 1 {
			s.Workload.Kind, s.Workload.Name = "Pod", toText(f.subject.Pod)
		}
		return f.value, s, nil
	}
	return nil, profile.Subject{}, nil
}

// Notes says what a reader of the source should know of the choice.
func (c *Containers[T]) Notes() []string {
	var notes []string
	for _, f := range c.found {
		if len(f.pods) > 1 {
			notes = append(notes, fmt.Sprintf("the evidence is of %d pods", len(f.pods)))
		}
	}
	if c.hosts && len(c.found) > 0 {
		notes = append(notes, "events of the host are left out")
	}
	return notes
}

func bare(id string) string {
	if _, bare, ok := strings.Cut(id, "://"); ok {
		return bare
	}
	return id
}

func (c *Containers[T]) wanted() string {
	var words []string
	for _, w := range [][2]string{{"container", c.opts.Container}, {"pod", c.opts.Pod}, {"namespace", c.opts.Namespace}} {
		if w[1] != "" {
			words = append(words, fmt.Sprintf("%s %q", w[0], w[1]))
		}
	}
	return strings.Join(words, ", ")
}

// list names the containers, sorted.
func (c *Containers[T]) list() string {
	var names []string
	for _, f := range c.found {
		s := f.subject
		name := fmt.Sprintf("%q", s.Container)
		if s.Container == "" {
			name = fmt.Sprintf("%q", bareID(s.ID))
		}
		if s.Namespace+s.Pod != "" {
			name += fmt.Sprintf(" in %q", s.Namespace+"/"+s.Pod)
		}
		if s.Image != "" {
			name += fmt.Sprintf(" of %q", s.Image)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	if len(names) > maxListed {
		names = append(names[:maxListed], fmt.Sprintf("and %d more", len(c.found)-maxListed))
	}
	return strings.Join(names, ", ")
}

package inspektorgadget

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/fold"
	"github.com/lathe-build/lathe/profile/foreign"
)

const (
	maxFname = 254 // bytes that trace_open keeps of the argument
	maxFpath = 511 // and of the resolved path
)

// recording is what one container did.
type recording struct {
	facts     *fold.Collector
	processes fold.Recent[int64, *process]
	gadgets   map[string]bool
	images    foreign.ImageNames
	lastImage [2]string // name and digest
	owner     profile.Workload
	labels    map[string]string
	started   bool // the entrypoint was seen

	resolved, failedOpens, failedExecs              bool
	pathless, relative, cut, unattributed, nameless int64
}

func newRecording() *recording {
	return &recording{facts: fold.New(fold.Limits{}), gadgets: map[string]bool{}, images: foreign.ImageNames{}}
}

// order is what records are ordered by: the gadget's own clock.
func (r *record) order() int64 {
	if r.TimestampRaw != 0 {
		return int64(r.TimestampRaw)
	}
	return r.Timestamp.UnixNano()
}

// take folds one record.
func (c *recording) take(gadget string, r *record) {
	c.gadgets[gadget] = true
	c.image(r.Runtime.ImageName, r.Runtime.ImageDigest)
	if c.owner.Name == "" && r.K8s.Owner.Name != "" {
		c.owner = profile.Workload{Kind: r.K8s.Owner.Kind, Name: r.K8s.Owner.Name}
	}
	if c.labels == nil {
		c.labels = labels(r.K8s.PodLabels)
	}
	switch gadget {
	case "trace_exec":
		c.exec(r)
	case "trace_open":
		c.open(r)
	case "trace_tcp":
		c.tcp(r)
	case "trace_bind":
		if r.Addr.Port != 0 && r.errno(fold.Errno) == "" {
			c.facts.Listen(fold.Listen{Proto: string(r.Addr.Proto), Addr: r.Addr.Addr, Port: int(r.Addr.Port), By: c.by(r), At: r.at()})
		}
	case "trace_dns":
		c.dns(r)
	case "trace_sni":
		c.sni(r)
	case "trace_capabilities":
		result := "denied"
		if r.Capable {
			result = "granted"
		}
		c.facts.Capability(fold.Capability{Name: *r.Cap, Result: result, By: c.by(r), At: r.at()})
	}
}

// image notes the image of a record, which is mostly that of the one before.
func (c *recording) image(name, digest string) {
	if c.lastImage == [2]string{name, digest} {
		return
	}
	c.lastImage = [2]string{name, digest}
	if name != "" && digest != "" {
		c.images.Add(name+"@"+digest, name)
	} else {
		c.images.Add(digest, name)
	}
}

// by is the executable of a record.
func (c *recording) by(r *record) string {
	if p, ok := c.processes.Get(r.pid()); ok {
		if key := p.running(r.order()); key != "" {
			return key
		}
	}
	// A child that did not execute anything runs what its parent does.
	if r.Proc.Parent.Comm != "" && r.Proc.Parent.Comm == r.Proc.Comm {
		if p, ok := c.processes.Get(int64(r.Proc.Parent.PID)); ok {
			return p.running(r.order())
		}
	}
	return ""
}

func (c *recording) process(pid int64) *process {
	p, ok := c.processes.Get(pid)
	if !ok {
		p = &process{}
		c.processes.Put(pid, p)
	}
	return p
}

// exec folds a record of trace_exec.
func (c *recording) exec(r *record) {
	argv0, _, _ := strings.Cut(r.Args.s, " ")
	if errno := r.errno(fold.Errno); errno != "" {
		c.failedExecs = true
		if missing, _ := fold.Path(argv0); fold.IsMissing(errno) && missing != "" {
			c.facts.Missing(fold.Missing{Path: missing, Errno: errno, Op: "execve", At: r.at()})
		}
		return
	}
	name := ""
	if r.Exepath != nil {
		name = *r.Exepath
	}
	x := fold.Exec{At: r.at(), TTY: r.TTY != 0}
	x.Path, x.Layer = fold.Path(name)
	switch {
	case x.Path == "":
		c.pathless++
		if x.Path, _ = fold.Path(argv0); x.Path == "" {
			return
		}
	case len(name) >= maxFpath:
		c.cut++
		return
	case isRuntime(path.Base(name)) && strings.HasSuffix(" "+r.Args.s, " init"):
		return // runc on its way into the container
	}
	script, _ := fold.Path(r.File)
	if script != "" && script != x.Path {
		x.Script = script
	} else {
		x.As = profile.Applet(x.Path, argv0)
	}
	if layer := r.layer(); layer != "" && x.Layer != profile.LayerMemfd {
		x.Layer = layer
	}
	if r.Proc.Creds != nil {
		x.UID, x.HasUID = r.Proc.Creds.UID.Uint32()
	}
	if p, ok := c.processes.Get(r.pid()); ok && len(p.runs) > 0 && p.runs[len(p.runs)-1].at < r.order() {
		// The same process goes on as another program.
		x.Origin, x.Parent = p.origin, p.running(r.order())
	} else if x.Origin = c.origin(r); x.Origin == profile.OriginChild {
		if p, ok := c.processes.Get(int64(r.Proc.Parent.PID)); ok {
			x.Parent = p.running(r.order())
		}
		if parent, _ := fold.Path(r.ParentExepath); x.Parent == "" && parent != "" {
			x.Parent = profile.Key(parent, "")
		}
	}
	entry := c.facts.Exec(x)
	if entry == nil {
		return
	}
	p := c.process(r.pid())
	p.origin = x.Origin
	if len(p.runs) == maxRuns {
		p.runs = p.runs[1:]
	}
	p.runs = append(p.runs, run{at: r.order(), key: entry.Key()})
	slices.SortStableFunc(p.runs, func(a, b run) int { return cmp.Compare(a.at, b.at) })
}

// layer is where the program of an execution lies, as far as the record tells.
func (r *record) layer() string {
	switch {
	case r.FromRootfs != nil && !*r.FromRootfs:
		return profile.LayerVolume
	case r.UpperLayer:
		return profile.LayerUpper
	case r.FromRootfs != nil:
		return profile.LayerImage
	default:
		return ""
	}
}

// origin is where an execution comes from. The runtime starts the entrypoint
// first, and later what people and probes run.
func (c *recording) origin(r *record) string {
	if !isRuntime(r.Proc.Parent.Comm) && !isRuntime(path.Base(r.ParentExepath)) {
		return profile.OriginChild
	}
	switch {
	case !c.started:
		c.started = true
		return profile.OriginEntrypoint
	case r.TTY != 0:
		return profile.OriginAttach
	default:
		return profile.OriginUnknown
	}
}

// isRuntime reports whether a program or its 15 bytes in comm start containers.
func isRuntime(name string) bool {
	switch name {
	case "runc", "runc:[1:CHILD]", "runc:[2:INIT]", "crun", "youki", "conmon", "containerd-shim", "containerd-shim-runc-v2", "dockerd":
		return true
	default:
		return strings.HasPrefix(name, "memfd:runc")
	}
}

// open folds a record of trace_open.
func (c *recording) open(r *record) {
	raw := ""
	if r.Fname != nil {
		raw = *r.Fname
	} else if r.Path != nil {
		raw = *r.Path
	}
	whole := len(raw) <= maxFname-1
	if !strings.HasPrefix(raw, "/") && r.Cwd != "" {
		raw = fold.Join(r.Cwd, raw)
	}
	asked, _ := fold.Path(raw)
	if !whole {
		asked = ""
	}
	errno := r.errno(fold.Errno)
	c.failedOpens = c.failedOpens || errno != ""
	found, layer := fold.Path(r.Fpath)
	if len(r.Fpath) >= maxFpath {
		found = ""
	}
	if found == "" {
		found = asked
	} else {
		c.resolved = true
	}
	switch {
	case found == "" && !whole:
		c.cut++
	case found == "":
		c.relative++
	case fold.IsMissing(errno):
		c.facts.Missing(fold.Missing{Path: found, Errno: errno, Op: "openat", By: c.by(r), At: r.at()})
	case errno != "":
		return // it may be there or not
	case layer != profile.LayerMemfd:
		access := fold.OpenedBy(r.Flags.s)
		if r.Flags.s == "" {
			access = fold.Opened(int64(r.FlagsRaw))
		}
		c.facts.File(fold.File{Path: found, Via: asked, Access: access, By: c.by(r), Layer: layer, At: r.at()})
	}
}

// tcp folds a record of trace_tcp.
func (c *recording) tcp(r *record) {
	by := c.by(r)
	if by == "" && r.Type != "close" {
		c.unattributed++
	}
	switch r.Type {
	case "connect":
		p := c.process(r.pid())
		p.edge = c.facts.Connect(fold.Connect{
			Proto: "tcp", Peer: r.Dst.peer(), Port: int(r.Dst.Port), By: by, Result: fold.Result(r.errno(fold.Errno)), At: r.at(),
		})
	case "accept":
		if r.Src != nil && r.errno(fold.Errno) == "" {
			c.facts.Accept(fold.Accept{Proto: "tcp", Port: int(r.Src.Port), Peer: r.Dst.peer(), By: by, At: r.at()})
		}
	}
}

// dns folds a record of trace_dns. Packets of a server's side are not ours.
func (c *recording) dns(r *record) {
	if r.Name == nil {
		return
	}
	answer := strings.HasPrefix(strings.ToUpper(*r.Qr), "R")
	if answer == (r.PktType == "OUTGOING") && r.PktType != "" {
		return
	}
	x := fold.DNS{Name: *r.Name, Type: strings.ToUpper(r.Qtype), By: c.by(r), At: r.at()}
	for address := range strings.FieldsFuncSeq(r.Addresses.s, func(c rune) bool { return c == ',' || c == '|' || c == ' ' }) {
		x.Answers = append(x.Answers, address)
	}
	c.facts.DNS(x)
}

// sni folds a record of trace_sni.
func (c *recording) sni(r *record) {
	if p, ok := c.processes.Get(r.pid()); ok && p.edge != nil {
		p.edge.Name(*r.Name, profile.NameSNI)
		return
	}
	c.nameless++
}

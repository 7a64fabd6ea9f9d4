package profile

import "time"

// The only version and kind of document that this package reads and writes.
const (
	APIVersion = "lathe.dev/v1alpha1"
	Kind       = "RuntimeProfile"
)

// Profile is a whole runtime profile document. Its zero value is the empty
// profile, the identity of [Merge].
type Profile struct {
	Metadata     Metadata     `json:"metadata"`
	Images       []Image      `json:"images"`
	Sources      []Source     `json:"sources"`
	Executables  []Executable `json:"executables"`
	Files        []File       `json:"files"`
	Patterns     []Pattern    `json:"patterns"`
	Missing      []Missing    `json:"missing"`
	Network      Network      `json:"network"`
	Syscalls     []Syscall    `json:"syscalls"`
	Capabilities []Capability `json:"capabilities"`
	Outside      []Outside    `json:"outside"`
}

// Metadata names a profile for people. Nothing depends on it.
type Metadata struct {
	Name        string            `json:"name"`
	Annotations map[string]string `json:"annotations"`
}

// Image is one image that the evidence is about. Its key is the first that is
// not empty of Digest, the smallest ConfigDigest and the smallest of Refs.
type Image struct {
	Digest       string   `json:"digest"`       // of the platform's manifest; "" when only a tag is known
	IndexDigest  []string `json:"indexDigest"`  // of indexes that list the manifest
	ConfigDigest []string `json:"configDigest"` // of the image's config
	DiffIDs      []string `json:"diffIDs"`      // of the layers, base first: an ordered list
	Refs         []string `json:"refs"`         // names as typed
	Platform     string   `json:"platform"`     // os/arch[/variant]
}

// Source is the provenance of evidence: one recording or one declared input.
// It is immutable; entries refer to it by ID.
type Source struct {
	ID        string    `json:"id"`   // see [SourceID]
	Kind      string    `json:"kind"` // a Kind... constant
	Recorder  Recorder  `json:"recorder"`
	Input     Input     `json:"input"`
	Subject   Subject   `json:"subject"`
	Host      Host      `json:"host"`
	Window    Window    `json:"window"`
	Run       string    `json:"run"`       // free name of the run; distinct values are distinct runs
	Scenarios []string  `json:"scenarios"` // what was exercised, such as startup, e2e, shutdown
	Lost      Lost      `json:"lost"`
	Complete  bool      `json:"complete"` // from before the first exec to after the last, nothing lost
	Vouched   bool      `json:"vouched"`  // a person vouches for Complete although the recorder cannot tell
	Observes  []string  `json:"observes"` // what the source was able to see: Observes... constants
	Paths     PathStyle `json:"paths"`
	Notes     []string  `json:"notes"`
}

// Recorder is the program that observed.
type Recorder struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Method  string `json:"method"` // ebpf, ptrace, fanotify, audit, lsm, cni, config or user
}

// Input is the file that was imported.
type Input struct {
	Format   string `json:"format"`
	SHA256   string `json:"sha256"` // 64 hex digits
	Bytes    int64  `json:"bytes"`
	Records  int64  `json:"records"`
	Skipped  int64  `json:"skipped"` // records that were not understood
	Importer string `json:"importer"`
}

// Subject is the container that was observed.
type Subject struct {
	Image       string   `json:"image"`
	ContainerID string   `json:"containerID"`
	Container   string   `json:"container"`
	Workload    Workload `json:"workload"`
}

// Workload is the Kubernetes object that the container belongs to.
type Workload struct {
	Namespace string            `json:"namespace"`
	Kind      string            `json:"kind"`
	Name      string            `json:"name"`
	Labels    map[string]string `json:"labels"`
}

// Host is the machine on which was recorded.
type Host struct {
	Kernel string `json:"kernel"`
	Arch   string `json:"arch"` // GOARCH's words
}

// Window is the time between the first and the last event.
type Window struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// Lost says what the recorder knows about events that it missed.
type Lost struct {
	Known  bool  `json:"known"` // false: the recorder cannot tell
	Events int64 `json:"events"`
}

// PathStyle says how a source spells paths.
type PathStyle struct {
	Exec string `json:"exec"` // raw (as called), resolved, or both
	Open string `json:"open"` // raw, resolved, or both
	Root string `json:"root"` // container or host
}

// Executable is a program that ran. Its key is [Key] of Path and As.
type Executable struct {
	Key     string   `json:"key"`
	Path    Path     `json:"path"`    // as called; once bound, the file in the image
	As      string   `json:"as"`      // base name of argv[0] where it is not Path's: an applet
	Bound   bool     `json:"bound"`   // Path was resolved in the image
	Via     []Path   `json:"via"`     // other spellings and links by which it was reached
	Scripts []Path   `json:"scripts"` // scripts that it ran as their #! interpreter
	Loader  []Path   `json:"loader"`  // its ELF interpreter, where the recorder saw one
	Parents []string `json:"parents"` // executable keys
	Origin  []string `json:"origin"`  // Origin... constants
	Phase   []string `json:"phase"`   // Phase... constants: when it ran
	Layer   []string `json:"layer"`   // Layer... constants
	UIDs    []uint32 `json:"uids"`
	TTY     bool     `json:"tty"`
	Argv    []string `json:"argv"`    // a bounded, redacted sample of command lines; off by default
	Instead []string `json:"instead"` // what Kubernetes can do in its place, such as "livenessProbe: httpGet: {path: /health, port: 8080}"
	Seen    Seen     `json:"seen"`
}

// File is a path that was found. Its key is Path.
type File struct {
	Path   Path     `json:"path"`   // resolved if Bound, else as recorded
	Bound  bool     `json:"bound"`  // checked against the image's files
	Via    []Path   `json:"via"`    // other spellings and links by which it was reached
	Access []string `json:"access"` // Access... constants
	By     []string `json:"by"`     // executable keys; empty: not attributed
	Phase  []string `json:"phase"`  // Phase... constants
	Layer  []string `json:"layer"`  // Layer... constants
	Seen   []string `json:"seen"`   // source ids
}

// Pattern is an upper bound of paths, never proof of one. Its key is Glob, in
// which * is a part of one segment and ** any depth.
type Pattern struct {
	Glob   string   `json:"glob"`
	Access []string `json:"access"`
	From   []string `json:"from"` // what it was made of
	Seen   []string `json:"seen"`
}

// Missing is a path that was asked for and was not there. Its key is Path.
type Missing struct {
	Path  Path     `json:"path"`
	Errno []string `json:"errno"` // such as ENOENT
	Ops   []string `json:"ops"`   // system calls, or Access... words where the call is not known
	By    []string `json:"by"`    // executable keys
	Seen  []string `json:"seen"`
}

// Network is everything seen on sockets.
type Network struct {
	Listen  []Listen  `json:"listen"`
	Accept  []Accept  `json:"accept"`
	Connect []Connect `json:"connect"`
	DNS     []DNS     `json:"dns"`
}

// Listen is a socket that waits for peers. Its key is Proto, Addr, Port, By.
type Listen struct {
	Proto     string   `json:"proto"` // tcp, udp, sctp
	Addr      string   `json:"addr"`  // address bound to, such as 0.0.0.0 or ::
	Port      int      `json:"port"`
	Ephemeral bool     `json:"ephemeral"` // the kernel chose the port
	By        []string `json:"by"`        // executable keys
	Phase     []string `json:"phase"`
	Seen      Seen     `json:"seen"`
}

// Accept is a peer that connected to us. Its key is Proto, Port, Peer.
type Accept struct {
	Proto string   `json:"proto"`
	Port  int      `json:"port"` // ours
	Peer  Peer     `json:"peer"`
	By    []string `json:"by"`
	Phase []string `json:"phase"`
	Seen  Seen     `json:"seen"`
}

// Connect is a peer that we connected or sent to. Its key is Proto, Peer,
// Port, By and Via.
type Connect struct {
	Proto       string   `json:"proto"` // tcp, udp, sctp, icmp, icmpv6, raw, unix
	Port        int      `json:"port"`  // the peer's; 0 for protocols without ports
	Peer        Peer     `json:"peer"`
	Via         Via      `json:"via"`
	Results     []string `json:"results"` // Result... constants
	By          []string `json:"by"`      // executable keys
	Attribution []string `json:"attribution"`
	Phase       []string `json:"phase"`
	Seen        Seen     `json:"seen"`
}

// Peer is the other end of a connection. Its identity is IP, or else Path, or
// else K8s.
type Peer struct {
	IP         string   `json:"ip"`    // an address, or a CIDR where the source knows no better
	Path       Path     `json:"path"`  // of a unix socket; @ in front of an abstract name
	Names      []string `json:"names"` // lower case, no dot at the end
	NameSource []string `json:"nameSource"`
	K8s        K8s      `json:"k8s"`
}

// K8s is a Kubernetes object at the other end.
type K8s struct {
	Namespace string            `json:"namespace"`
	Kind      string            `json:"kind"`
	Name      string            `json:"name"`
	Labels    map[string]string `json:"labels"`
}

// Via is the address before translation, such as a Service's.
type Via struct {
	IP      string `json:"ip"`
	Port    int    `json:"port"`
	Service string `json:"service"` // namespace/name
}

// DNS is a question that was asked. Its key is Name and Type.
type DNS struct {
	Name    string   `json:"name"` // lower case, no dot at the end
	Type    string   `json:"type"` // A, AAAA, ...
	Answers []string `json:"answers"`
	By      []string `json:"by"`
	Seen    []string `json:"seen"`
}

// Syscall is a system call that was made. Its key is Name.
type Syscall struct {
	Name string   `json:"name"`
	Arch []string `json:"arch"` // GOARCH's words
	Seen []string `json:"seen"`
}

// Capability is a capability that was checked for. Its key is Name.
type Capability struct {
	Name   string   `json:"name"`   // without CAP_
	Phase  []string `json:"phase"`  // runtime or app
	Result []string `json:"result"` // granted or denied
	By     []string `json:"by"`
	Seen   []string `json:"seen"`
}

// Outside counts paths that are no content of an image, such as those in
// /proc. Its key is Prefix.
type Outside struct {
	Prefix string `json:"prefix"`
	Seen   Seen   `json:"seen"`
}

// Seen is what each source, by id, counted of an entry.
type Seen map[string]Count

// Count is how often and when one source saw something.
type Count struct {
	N     int64     `json:"n"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// Path is a path as the kernel has it: any bytes but NUL. It is not cleaned.
type Path string

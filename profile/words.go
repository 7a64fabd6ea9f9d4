package profile

// Kinds of sources.
const (
	KindObserved = "observed" // a recording
	KindDeclared = "declared" // image config, pod spec, a person
	KindStatic   = "static"   // analysis of files
)

// Ways in which a file was used.
const (
	AccessExec     = "exec"
	AccessOpen     = "open"
	AccessRead     = "read"
	AccessWrite    = "write"
	AccessCreate   = "create"
	AccessMmap     = "mmap"
	AccessMmapExec = "mmap-exec"
	AccessStat     = "stat"
	AccessReadlink = "readlink"
	AccessList     = "list"   // its entries were read
	AccessListed   = "listed" // its name was read in its directory
	AccessUnlink   = "unlink"
	AccessRename   = "rename"
	AccessChmod    = "chmod"
)

// What a source is able to see.
const (
	ObservesExec         = "exec"
	ObservesExecArgv     = "exec.argv"
	ObservesExecScript   = "exec.script"
	ObservesExecInterp   = "exec.interp"
	ObservesExecLoader   = "exec.loader"
	ObservesExecFailed   = "exec.failed"
	ObservesOpen         = "open"
	ObservesOpenAll      = "open.all"
	ObservesOpenFailed   = "open.failed"
	ObservesRead         = "read"
	ObservesWrite        = "write"
	ObservesMmap         = "mmap"
	ObservesStat         = "stat"
	ObservesReadlink     = "readlink"
	ObservesList         = "list"
	ObservesConnectTCP   = "net.connect.tcp"
	ObservesConnectUDP   = "net.connect.udp"
	ObservesAccept       = "net.accept"
	ObservesListen       = "net.listen"
	ObservesDNS          = "net.dns"
	ObservesIPv6         = "net.ipv6"
	ObservesUnix         = "net.unix"
	ObservesAttribution  = "net.attribution"
	ObservesSyscalls     = "syscalls"
	ObservesCapabilities = "capabilities"
)

// Where an executable came from.
const (
	OriginEntrypoint = "entrypoint"
	OriginChild      = "child"
	OriginProbe      = "probe"
	OriginAttach     = "attach"
	OriginRuntime    = "runtime"
	OriginUnknown    = "unknown"
)

// When something was used.
const (
	PhaseStartup  = "startup"
	PhaseServing  = "serving"
	PhaseShutdown = "shutdown"
	PhaseRuntime  = "runtime" // of capabilities: needed by the container runtime
	PhaseApp      = "app"     // of capabilities: needed by the application
)

// Where a file is kept.
const (
	LayerImage   = "image"
	LayerUpper   = "upper"
	LayerVolume  = "volume"
	LayerMemfd   = "memfd"
	LayerUnknown = "unknown"
)

// What became of a connection.
const (
	ResultEstablished = "established"
	ResultRefused     = "refused"
	ResultTimeout     = "timeout"
	ResultUnreachable = "unreachable"
	ResultInProgress  = "in-progress"
	ResultSent        = "sent"
	ResultProbeOnly   = "probe-only" // a UDP connect without a packet
	ResultDenied      = "denied"
)

// How exactly a connection is attributed.
const (
	AttributionProcess   = "process"
	AttributionContainer = "container"
	AttributionPod       = "pod"
	AttributionNone      = "none"
)

// Where a peer's name comes from.
const (
	NameDNSOfProcess = "dns-of-process"
	NameDNSOfPod     = "dns-of-pod"
	NameNodeCache    = "node-cache"
	NameSNI          = "sni"
	NameHubble       = "hubble"
	NameUser         = "user"
)

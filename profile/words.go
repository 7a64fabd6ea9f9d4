package profile

import (
	"slices"
	"strings"
)

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
	ResultAlreadyOpen = "already-open" // beside established: from the socket table, opened before the recording
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

func accessWords() []string {
	return []string{
		AccessExec, AccessOpen, AccessRead, AccessWrite, AccessCreate, AccessMmap, AccessMmapExec, AccessStat,
		AccessReadlink, AccessList, AccessListed, AccessUnlink, AccessRename, AccessChmod,
	}
}

func observesWords() []string {
	return []string{
		ObservesExec, ObservesExecArgv, ObservesExecScript, ObservesExecInterp, ObservesExecLoader, ObservesExecFailed,
		ObservesOpen, ObservesOpenAll, ObservesOpenFailed, ObservesRead, ObservesWrite, ObservesMmap, ObservesStat,
		ObservesReadlink, ObservesList, ObservesConnectTCP, ObservesConnectUDP, ObservesAccept, ObservesListen,
		ObservesDNS, ObservesIPv6, ObservesUnix, ObservesAttribution, ObservesSyscalls, ObservesCapabilities,
	}
}

// IsObserves reports whether s is one of the Observes... constants.
func IsObserves(s string) bool { return slices.Contains(observesWords(), s) }

// Letters for isWord.
const (
	lower = "abcdefghijklmnopqrstuvwxyz"
	upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digit = "0123456789"
)

// isWord reports whether s is a short, not empty word of the given letters.
func isWord(s string, letters ...string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, strings.Join(letters, "")) == ""
}

func oneOf(s string, known ...string) bool { return slices.Contains(known, s) }

func isHex(s string, length int) bool {
	return len(s) == length && strings.Trim(s, digit+"abcdef") == ""
}

// isDigest reports whether s is a digest of one of the algorithms that the OCI
// image specification registers.
func isDigest(s string) bool {
	algorithm, sum, _ := strings.Cut(s, ":")
	switch algorithm {
	case "sha256":
		return isHex(sum, 64)
	case "sha512":
		return isHex(sum, 128)
	default:
		return false
	}
}

func isPlatform(s string) bool {
	parts := strings.Split(s, "/")
	if len(parts) < 2 || len(parts) > 3 {
		return false
	}
	for _, part := range parts {
		if !isWord(part, lower, upper, digit, "._-") {
			return false
		}
	}
	return true
}

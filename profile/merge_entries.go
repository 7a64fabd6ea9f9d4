package profile

import (
	"slices"
	"strconv"
	"strings"
)

func executableKey(x Executable) string { return Key(x.Path, x.As) }

func joinExecutable(dst *Executable, src Executable) {
	dst.Key, dst.Path, dst.As = executableKey(src), src.Path, src.As
	dst.Bound = dst.Bound || src.Bound
	dst.Via = union(dst.Via, src.Via)
	dst.Scripts = union(dst.Scripts, src.Scripts)
	dst.Loader = union(dst.Loader, src.Loader)
	dst.Parents = union(dst.Parents, src.Parents)
	dst.Origin = union(dst.Origin, src.Origin)
	dst.Phase = union(dst.Phase, src.Phase)
	dst.Layer = union(dst.Layer, src.Layer)
	dst.UIDs = union(dst.UIDs, src.UIDs)
	dst.TTY = dst.TTY || src.TTY
	dst.Argv = union(dst.Argv, src.Argv)
	if len(dst.Argv) > maxArgv {
		dst.Argv = slices.Clip(dst.Argv[:maxArgv])
	}
	dst.Instead = union(dst.Instead, src.Instead)
	dst.Seen = joinSeen(dst.Seen, src.Seen)
}

func joinFile(dst *File, src File) {
	dst.Path = src.Path
	dst.Bound = dst.Bound || src.Bound
	dst.Via = union(dst.Via, src.Via)
	dst.Access = union(dst.Access, src.Access)
	dst.By = union(dst.By, src.By)
	dst.Phase = union(dst.Phase, src.Phase)
	dst.Layer = union(dst.Layer, src.Layer)
	dst.Seen = union(dst.Seen, src.Seen)
}

func joinPattern(dst *Pattern, src Pattern) {
	dst.Glob = src.Glob
	dst.Access = union(dst.Access, src.Access)
	dst.From = union(dst.From, src.From)
	dst.Seen = union(dst.Seen, src.Seen)
}

func joinMissing(dst *Missing, src Missing) {
	dst.Path = src.Path
	dst.Errno = union(dst.Errno, src.Errno)
	dst.Ops = union(dst.Ops, src.Ops)
	dst.By = union(dst.By, src.By)
	dst.Seen = union(dst.Seen, src.Seen)
}

func listenKey(l Listen) string {
	return joinKey(l.Proto, l.Addr, portKey(l.Port), setKey(l.By))
}

func joinListen(dst *Listen, src Listen) {
	dst.Proto, dst.Addr, dst.Port = src.Proto, src.Addr, src.Port
	dst.Ephemeral = dst.Ephemeral || src.Ephemeral
	dst.By = union(dst.By, src.By)
	dst.Phase = union(dst.Phase, src.Phase)
	dst.Seen = joinSeen(dst.Seen, src.Seen)
}

func acceptKey(a Accept) string { return joinKey(a.Proto, portKey(a.Port), peerKey(a.Peer)) }

func joinAccept(dst *Accept, src Accept) {
	dst.Proto, dst.Port = src.Proto, src.Port
	joinPeer(&dst.Peer, src.Peer)
	dst.By = union(dst.By, src.By)
	dst.Phase = union(dst.Phase, src.Phase)
	dst.Seen = joinSeen(dst.Seen, src.Seen)
}

func connectKey(c Connect) string {
	return joinKey(c.Proto, peerKey(c.Peer), portKey(c.Port), setKey(c.By), c.Via.IP, portKey(c.Via.Port), c.Via.Service)
}

func joinConnect(dst *Connect, src Connect) {
	dst.Proto, dst.Port, dst.Via = src.Proto, src.Port, src.Via
	joinPeer(&dst.Peer, src.Peer)
	dst.Results = union(dst.Results, src.Results)
	dst.By = union(dst.By, src.By)
	dst.Attribution = union(dst.Attribution, src.Attribution)
	dst.Phase = union(dst.Phase, src.Phase)
	dst.Seen = joinSeen(dst.Seen, src.Seen)
}

// portKey sorts as numbers do.
func portKey(port int) string {
	digits := strconv.Itoa(port)
	return strings.Repeat("0", max(0, 5-len(digits))) + digits
}

func setKey(set []string) string { return strings.Join(union(set, nil), "\x01") }

// peerKey is the identity of a peer: what it is known by, not its names, unless
// these are all there is.
func peerKey(p Peer) string {
	switch {
	case p.IP != "":
		return "1" + p.IP
	case p.Path != "":
		return "2" + string(p.Path)
	}
	k := p.K8s
	parts := []string{"3", k.Namespace, k.Kind, k.Name}
	for _, label := range sortedKeys(k.Labels) {
		parts = append(parts, label+"="+k.Labels[label])
	}
	if len(parts) == 4 && k.Namespace+k.Kind+k.Name == "" {
		parts = append(parts, union(p.Names, nil)...)
	}
	return strings.Join(parts, "\x01")
}

func joinPeer(dst *Peer, src Peer) {
	dst.IP, dst.Path = src.IP, src.Path
	dst.Names = union(dst.Names, src.Names)
	dst.NameSource = union(dst.NameSource, src.NameSource)
	dst.K8s.Namespace = least(dst.K8s.Namespace, src.K8s.Namespace)
	dst.K8s.Kind = least(dst.K8s.Kind, src.K8s.Kind)
	dst.K8s.Name = least(dst.K8s.Name, src.K8s.Name)
	dst.K8s.Labels = joinLabels(dst.K8s.Labels, src.K8s.Labels)
}

func joinDNS(dst *DNS, src DNS) {
	dst.Name, dst.Type = src.Name, src.Type
	dst.Answers = union(dst.Answers, src.Answers)
	dst.By = union(dst.By, src.By)
	dst.Seen = union(dst.Seen, src.Seen)
}

func joinSyscall(dst *Syscall, src Syscall) {
	dst.Name = src.Name
	dst.Arch = union(dst.Arch, src.Arch)
	dst.Seen = union(dst.Seen, src.Seen)
}

func joinCapability(dst *Capability, src Capability) {
	dst.Name = src.Name
	dst.Phase = union(dst.Phase, src.Phase)
	dst.Result = union(dst.Result, src.Result)
	dst.By = union(dst.By, src.By)
	dst.Seen = union(dst.Seen, src.Seen)
}

func joinOutside(dst *Outside, src Outside) {
	dst.Prefix = src.Prefix
	dst.Seen = joinSeen(dst.Seen, src.Seen)
}

// Package debimage builds real container images from packages, for the demo
// and the end-to-end tests: a base layer, a layer of packages installed on top
// of it and a layer of the site's own files, as a Dockerfile would leave them.
//
// A [Recipe] names the base, the packages, the files and the configuration.
// Debian and Ubuntu bases come from mmdebstrap with the apt sources of the
// host, so that mirrors, proxies and keyrings are those that the host uses
// anyway. Neither root nor a container runtime is needed: a normal user needs
// the uidmap package beside mmdebstrap. Alpine bases come from a minirootfs
// archive; where there is none, a stand-in with a synthetic apk database is
// made from Debian's busybox-static.
//
// The same packages give the same layers, byte for byte: entries are sorted,
// times come from [Builder.Epoch], and what a host leaks into a root
// (hostname, resolv.conf, device nodes) is left out. The layers of the base
// and of the packages are cached by recipe and apt sources.
package debimage

// Package image moves images between lathe and the places where images live:
// registries, OCI layouts, docker archives and the docker daemon.
//
// # Reading
//
// [Read] resolves a [Ref] once and returns a [Source]: the digest that the
// reference named, the index if there is one, and every image that lathe can
// work on. The [v1.Image] values are exact: manifest and config are the bytes
// of the source, and every blob is a stream that checks its size and digest
// while it is read. A stream that ends early, goes on too long or holds other
// bytes ends in an error, never in io.EOF.
//
// Everything read is taken to be hostile. Documents are bounded ([Limits]),
// must be a single JSON value without duplicate keys, and must say what they
// are exactly once: a document that could be read both as an index and as a
// manifest is refused (CVE-2021-41190). Artifacts, schema 1 manifests, Windows
// images, foreign, encrypted and unknown layers are refused with one error
// each. Inside an index such members are set apart in [Source.Skipped], because
// the other platforms are still good.
//
// # Writing
//
// [WriteLayout] writes into a directory that [Stage] made beside the final
// name; [Staging.Commit] makes everything durable and moves it there in one
// step. A failure at any moment leaves what was there before. A [Pusher] writes
// to a registry in the order that its caller chooses; nothing it does moves a
// tag but [Pusher.Tag] and [Pusher.PushTag].
//
// Network requests have a deadline of their own: a server that stops moving
// bytes for [Options.Timeout] gives an error that names the host and the step.
package image

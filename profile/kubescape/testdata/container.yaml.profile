{"apiVersion":"lathe.dev/v1alpha1",
"executables":[
{"key":"/web","layer":["unknown"],"origin":["unknown"],"path":"/web","seen":{"s-390345847489":{}}}],
"images":[
{"configDigest":["sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"],"platform":"linux/arm64"}],
"kind":"RuntimeProfile",
"network":{"accept":[
{"peer":{"ip":"192.0.2.77"},"port":8080,"proto":"tcp","seen":{"s-390345847489":{}}}],"connect":[
{"attribution":["container"],"peer":{"ip":"0.0.0.0/0"},"port":80,"proto":"tcp","seen":{"s-390345847489":{}}},
{"attribution":["container"],"peer":{"ip":"192.0.2.7","nameSource":["node-cache"],"names":["*.example.org","api.example.com"]},"port":443,"proto":"tcp","seen":{"s-390345847489":{}}},
{"attribution":["container"],"peer":{"ip":"192.0.2.8","nameSource":["node-cache"],"names":["*.example.org","api.example.com"]},"port":443,"proto":"tcp","seen":{"s-390345847489":{}}},
{"attribution":["container"],"peer":{"ip":"198.51.100.0/24","nameSource":["node-cache"],"names":["*.example.org","api.example.com"]},"port":443,"proto":"tcp","seen":{"s-390345847489":{}}},
{"attribution":["container"],"peer":{"ip":"::/0"},"port":80,"proto":"tcp","seen":{"s-390345847489":{}}},
{"attribution":["container"],"peer":{"nameSource":["node-cache"],"names":["names.example.com"]},"port":8443,"proto":"tcp","seen":{"s-390345847489":{}}},
{"attribution":["container"],"peer":{"k8s":{"labels":{"app":"db","tier":"back"},"namespace":"shop"}},"port":5432,"proto":"tcp","seen":{"s-390345847489":{}}},
{"attribution":["container"],"peer":{"k8s":{"labels":{"k8s-app":"kube-dns"},"namespace":"kube-system"}},"port":53,"proto":"udp","seen":{"s-390345847489":{}}}]},
"sources":[
{"host":{"arch":"arm64"},"id":"s-390345847489","input":{"bytes":1680,"format":"kubescape","records":1,"sha256":"8f3a45f55f2a03d8d437e329b80477ff6838b3d39e3c522e5067cfee50bcbccf"},"kind":"observed","notes":["entries without a usable path are left out: 1","peers without a port are left out: 1","the agent came after the container: what ran at its start is not in it"],"observes":["exec","exec.argv","exec.interp","net.accept","net.connect.tcp","net.connect.udp","open","read","write"],"paths":{"exec":"both","open":"both","root":"container"},"recorder":{"method":"ebpf","name":"kubescape"},"run":"series-1","subject":{"container":"web","workload":{"labels":{"app":"web"},"namespace":"shop"}},"window":{"end":"2026-11-21T10:31:41.5Z","start":"2026-11-21T10:31:11.515851596Z"}}]}

{"apiVersion":"lathe.dev/v1alpha1",
"capabilities":[
{"name":"NET_BIND_SERVICE","seen":["s-d3a5a4fcb146"]}],
"executables":[
{"key":"/app/server","origin":["child"],"path":"/app/server","seen":{"s-d3a5a4fcb146":{}},"uids":[1000]},
{"instead":["preStop: sleep: {seconds: 15}"],"key":"/bin/sleep","origin":["probe"],"path":"/bin/sleep","phase":["shutdown"],"seen":{"s-d3a5a4fcb146":{}},"uids":[1000]},
{"key":"/srv/shop/ready","origin":["probe"],"path":"/srv/shop/ready","phase":["startup"],"seen":{"s-d3a5a4fcb146":{}},"uids":[1000]},
{"instead":["livenessProbe: httpGet: {path: /health, port: 8080}"],"key":"/usr/bin/curl","origin":["probe"],"path":"/usr/bin/curl","phase":["serving"],"seen":{"s-d3a5a4fcb146":{}},"uids":[1000],"via":["/bin/curl"]},
{"key":"/usr/bin/nc","origin":["probe"],"path":"/usr/bin/nc","phase":["startup"],"seen":{"s-d3a5a4fcb146":{}},"uids":[1000],"via":["/bin/nc"]},
{"instead":["livenessProbe: httpGet: {path: /health, port: 8080}"],"key":"/usr/bin/sh","origin":["probe"],"path":"/usr/bin/sh","phase":["serving"],"seen":{"s-d3a5a4fcb146":{}},"uids":[1000],"via":["/bin/sh"]},
{"key":"/usr/bin/tini","origin":["entrypoint"],"path":"/usr/bin/tini","seen":{"s-d3a5a4fcb146":{}},"uids":[1000],"via":["/bin/tini"]}],
"files":[
{"access":["open","read"],"by":["/app/server","/usr/bin/tini"],"path":"/app/server","seen":["s-d3a5a4fcb146"]},
{"access":["stat"],"path":"/data","seen":["s-d3a5a4fcb146"]},
{"access":["open","read"],"by":["/app/server","/usr/bin/tini"],"path":"/etc/shop/prod.yaml","seen":["s-d3a5a4fcb146"]},
{"access":["open","read"],"by":["/srv/shop/ready"],"path":"/run/ready","seen":["s-d3a5a4fcb146"]},
{"access":["stat"],"path":"/srv/shop","seen":["s-d3a5a4fcb146"]}],
"images":[
{"refs":["registry.example.com/shop:1.4"]}],
"kind":"RuntimeProfile",
"network":{"listen":[
{"addr":"0.0.0.0","port":8080,"proto":"tcp","seen":{"s-d3a5a4fcb146":{}}},
{"addr":"0.0.0.0","port":9000,"proto":"udp","seen":{"s-d3a5a4fcb146":{}}}]},
"sources":[
{"id":"s-d3a5a4fcb146","input":{"bytes":1370,"format":"manifest","records":1,"sha256":"9f0164aed3b7e46e13a4c2edfbbc6f64440fbc993648d7b667d4ec71037f7f58"},"kind":"declared","notes":["livenessProbe runs \"sh\": httpGet: {path: /health, port: 8080} does it without a program of the image","preStop runs \"/bin/sleep\": sleep: {seconds: 15} does it without a program of the image","the capability \"ALL\" is not one"],"recorder":{"method":"config","name":"kubernetes"},"subject":{"container":"web","workload":{"kind":"Deployment","labels":{"app":"shop"},"name":"shop","namespace":"prod"}}}]}

//go:build unix

package netpolicy

import (
	"fmt"
	"testing"

	"github.com/lathe-build/lathe/internal/growth"
	"github.com/lathe-build/lathe/profile"
)

// TestLinearInventory asks an inventory about many pods of one owner and one Service
// in a time that grows with them.
func TestLinearInventory(t *testing.T) {
	for name, build := range map[string]func(n int) (items []string, list []profile.Connect){
		"pods of one owner": func(n int) (items []string, list []profile.Connect) {
			for i := range n {
				ip := fmt.Sprintf("10.244.%d.%d", i/250, i%250+1)
				items = append(items, pod("shop", fmt.Sprint("p", i), ip, `"app":"api","v":"1"`, `,"ownerReferences":[{"kind":"ReplicaSet","name":"api-1","controller":true}]},"spec":{}`))
				list = append(list, tcp(ip, 8080, app))
			}
			return items, list
		},
		"ports of one Service": func(n int) (items []string, list []profile.Connect) {
			for i := range n {
				items = append(items, pod("shop", fmt.Sprint("p", i), fmt.Sprintf("10.244.%d.%d", i/250, i%250+1), `"app":"api"`, ""))
				list = append(list, profile.Connect{
					Proto: "tcp", Port: 80, Peer: profile.Peer{IP: "10.96.0.7"}, By: []string{fmt.Sprint("/app/", i)}, Results: []string{profile.ResultEstablished},
				})
			}
			return append(items, service("shop", "api", "10.96.0.7", `"app":"api"`, `{"port":80,"targetPort":"http"}`)), list
		},
	} {
		t.Run(name, func(t *testing.T) {
			growth.Linear(t, 500, func(n int) func() {
				items, list := build(n)
				return func() {
					opts := Options{Selector: webSelector, Namespace: "shop", Cluster: clusterOf(t, items...)}
					if _, err := New(connects(list...), fates, opts); err != nil {
						t.Fatal(err)
					}
				}
			})
		})
	}
}

module github.com/ledgerkv/ledgerkv/raft/rafttest/interop

go 1.26.8

require (
	github.com/ledgerkv/ledgerkv v0.0.0
	github.com/stretchr/testify v1.12.1
	go.etcd.io/raft/v3 v3.7.0
)

require (
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	google.golang.org/protobuf v1.36.11 // indirect
)

replace github.com/ledgerkv/ledgerkv => ../../..

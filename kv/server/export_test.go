package server

import "github.com/ledgerkv/ledgerkv/internal/wire/rpc"

// Translate is what the server makes of an error.
func Translate(s *Server, err error) *rpc.Error { return s.translate(err) }

package server_test

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
	"github.com/ledgerkv/ledgerkv/kv"
)

// TestElementsOfTransactionsCountEnough: what the client port counts for an element of a transaction is at least what it takes, as it comes
// from the port and as it goes to the store.
func TestElementsOfTransactionsCountEnough(t *testing.T) {
	operation := unsafe.Sizeof(rpc.Op{}) + unsafe.Sizeof(rpc.RangeArgs{}) + unsafe.Sizeof(kv.Op{})
	comparison := unsafe.Sizeof(rpc.Compare{}) + unsafe.Sizeof(kv.Compare{})
	require.LessOrEqual(t, operation, uintptr(rpc.ElementBytes))
	require.LessOrEqual(t, comparison, uintptr(rpc.ElementBytes))
}

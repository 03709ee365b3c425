package model_test

import (
	"errors"
	"fmt"

	"github.com/ledgerkv/ledgerkv/kv/model"
)

// A transaction reads as the sentence it is.
func Example() {
	key, value := []byte("locks/printer"), []byte("alice")
	txn := model.If(model.Version(key).Equals(0)).
		Then(model.Put(key, value)).
		Else(model.Get(key))
	fmt.Println(txn.Compares[0].Target, txn.Compares[0].Operator, txn.Compares[0].Number)
	fmt.Println(txn.Success[0].Kind, "or", txn.Failure[0].Kind)
	fmt.Println(txn.Validate())
	// Output:
	// version = 0
	// put or get
	// <nil>
}

func ExampleTxn_Validate() {
	key := []byte("k")
	err := model.Do(model.Put(key, nil), model.DeletePrefix([]byte("k"))).Validate()
	fmt.Println(errors.Is(err, model.ErrDuplicateWrite))
	fmt.Println(err)
	// Output:
	// true
	// kv: invalid request: then operations: expected each key to be written once, but operations 1 (put) and 2 (delete range) both write "k"; nothing was done
}

func ExamplePrefixEnd() {
	fmt.Printf("%q\n", model.PrefixEnd([]byte("topics/")))
	// Output: "topics0"
}

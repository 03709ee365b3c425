// Package script reads the small language in which the txn verb takes a transaction. One line is one condition or operation:
//
//	# a comment
//	if mod topics/orders = 7
//	if value a = "x"
//	if version lock = 0
//	then put a "1"
//	then del b
//	then del --prefix tmp/
//	else get a
//	else range topics/
//
// A word is a run of characters without spaces, or stands in double quotes, where backslash escapes are those of Go's strings:
// \n, \t, \", \\, \xff, ☃. Two double quotes are the empty word. All conditions have to hold for the then lines to be
// carried out, otherwise the else lines are.
package script

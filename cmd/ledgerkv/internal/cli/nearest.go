package cli

import "strings"

// Nearest gives the candidate that name is most likely a slip of, or "" when none is near: at most a third of its letters, and one at
// least, are missing, added, changed or swapped with a neighbour. Upper and lower case are the same, and a single
// letter is near to nothing. Of equally near ones the first is given.
func Nearest(name string, candidates []string) string {
	letters := len([]rune(name))
	if letters < 2 {
		return ""
	}
	best, least := "", max(1, letters/3)+1
	for _, c := range candidates {
		if d := distance([]rune(strings.ToLower(name)), []rune(strings.ToLower(c))); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is the number of letters to insert, remove, change or swap with their neighbour that lead from a to b.
func distance(a, b []rune) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}

// Package report keeps what a run has found and shows it: as JSON with everything raw, as tables of text, and as a page of HTML with plots that needs nothing else.
//
// A Report has Results, one for each system, workload, shape and point of load, each with the Measures of its runs. Figures that are shown are medians of the runs,
// with the smallest and the largest beside them.
package report

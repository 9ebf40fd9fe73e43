// Package report turns what package bench found into something to read.
//
//	JSON, Read   all of it, to keep and to compare later
//	HTML         one page for people, that needs nothing but itself
//	Markdown     the table of ratios
//	Bench        Go's benchmark format, for benchstat
//	HGRM         a file of percentiles for each histogram, for HdrHistogram's plotter
//
// # What is shown
//
// A figure never stands alone: beside it is its ratio to the baseline's, and
// how far the ratio spread. Ratios are of alternating pairs: a system's run to
// the baseline's run of the same number. What is shown is their median, with
// the least and the most; where there are [bench.Quartiles] pairs or more, with
// the quartiles too, and those decide who is ahead. Ratios of times and of what
// else should be small are below 1 where a system is better; bars and verdicts
// turn them over, so that more is better.
//
// Percentiles and maxima are of the histograms of all runs merged; their ratios
// are of pairs all the same. A run that failed has no part in any figure.
//
// # Limitations
//
//   - Whose name starts with "zeroring" is taken to be this library, on one of
//     its backends; zeroring-busypoll, which burns a processor, and
//     zeroring-nooffload, which is without GSO and GRO, are shown and have no part
//     in the verdict.
//   - A page has colours for four systems of this library, the baseline and five
//     others; more share them.
package report

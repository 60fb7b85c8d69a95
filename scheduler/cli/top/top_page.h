#pragma once
/* A page of metrics, read: Prometheus's text format as our own programs write it. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct top_sample {
    struct text labels; /* between the braces; empty: none */
    double value;
};

/* The next sample of this name; `rest` is the page at first, and what is behind the sample then.
 * False: there is no more. */
MUSTCHECK bool top_page_next(struct text *rest, const char *name, struct top_sample *out);

/* The sum of all samples of this name whose labels hold `with`, such as `status="failed"`; NULL:
 * all. 0 where there is none. */
double top_page_sum(struct text page, const char *name, const char *with);

/* The value of a label, as it is written; TEXT_NONE: there is no such one. */
struct text top_page_label(struct text labels, const char *name);

/* What a counter grew by in a second; one that fell has begun anew. */
double top_rate(double before, double now, double seconds);

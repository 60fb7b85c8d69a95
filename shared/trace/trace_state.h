#pragma once
/* What others carry along with a trace: the header tracestate of W3C Trace Context,
 * https://www.w3.org/TR/trace-context/#tracestate-header. We have no entry of our own, so it goes on
 * as it came. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

#define TRACESTATE_BYTES_MAX   512 /* of what goes on; W3C asks for at least as much */
#define TRACESTATE_MEMBERS_MAX 32

/* A header of "key=value,…". Where there are several of them each is added, in their order.
 * Nothing of them is left once one is malformed, or they have too many entries. */
struct trace_state {
    struct text members[TRACESTATE_MEMBERS_MAX]; /* borrowed */
    size_t count;
    bool invalid;
};

void trace_state_add(struct trace_state *state, struct text header);

/* Appends what goes on: all, or as many entries as fit. The first ones are those of who last
 * changed something, so the last ones are left out; before these any that are longer than 128
 * characters, as W3C has it. */
void trace_state_write(const struct trace_state *state, struct buf *out);

#pragma once
/* How a tool call went, beside its result: the members of a call in its run's step that say so.
 * They stand in the ledger with the result, for the worker that writes the step may be another one
 * than that which made the call. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct json_object;
struct json_write;

/* All zeros: nobody made the call. */
struct call_report {
    bool made;
    int64_t took_ms;
    int tries;     /* 0: one. How often it was made, or may have been */
    int64_t bytes; /* of the result, before it was cut; 0: as long as the result is */
    bool is_cut;
    bool has_results; /* the tool says how many it found */
    int64_t results;
};

/* Appends the members to the object that is open. result_bytes: of the result as it is. Of a call
 * that nobody made only is_error. */
void call_report_write(const struct call_report *report, size_t result_bytes, bool is_error,
                       struct json_write *w);

/* Appends those that a call of a step has. */
void call_report_copy(struct json_object *call, struct json_write *w);

/* What its time and its result do not say: a JSON object; nothing for most calls. */
void call_report_write_rest(const struct call_report *report, struct buf *out);

/* From the ledger: took_ms is negative where nobody made the call, `rest` is TEXT_NONE or what was
 * written. */
struct call_report call_report_read(int64_t took_ms, struct text rest);

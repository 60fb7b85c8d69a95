/* How a call went. */

#include "shared/store/tools/call_report.h"

#include "shared/json/json.h"
#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"

void call_report_write(const struct call_report *report, size_t result_bytes, bool is_error,
                       struct json_write *w)
{
    json_write_bool(w, "is_error", is_error);
    if (!report->made)
        return;
    json_write_int(w, "duration_ms", report->took_ms);
    json_write_int(w, "tries", report->tries > 0 ? report->tries : 1);
    json_write_int(w, "bytes", report->bytes > 0 ? report->bytes : (int64_t)result_bytes);
    json_write_bool(w, "is_cut", report->is_cut);
    if (report->has_results)
        json_write_int(w, "results", report->results);
}

void call_report_copy(struct json_object *call, struct json_write *w)
{
    static const char *const names[] = {"is_error", "duration_ms", "tries",
                                        "bytes",    "is_cut",      "results"};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        struct json_object *member = json_get(call, names[i]);

        if (member)
            json_write_raw(w, names[i], json_text(member));
    }
}

void call_report_write_rest(const struct call_report *report, struct buf *out)
{
    struct json_write w;

    if (report->tries <= 1 && report->bytes == 0 && !report->is_cut && !report->has_results)
        return;
    json_write_init(&w, out);
    json_write_open_object(&w, NULL);
    if (report->tries > 1)
        json_write_int(&w, "tries", report->tries);
    if (report->bytes > 0)
        json_write_int(&w, "bytes", report->bytes);
    if (report->is_cut)
        json_write_bool(&w, "is_cut", true);
    if (report->has_results)
        json_write_int(&w, "results", report->results);
    json_write_close(&w);
}

struct call_report call_report_read(int64_t took_ms, struct text rest)
{
    struct call_report report = {.made = took_ms >= 0};
    int64_t tries = 0;

    if (!report.made)
        return report;
    report.took_ms = took_ms;
    if (json_raw_int(json_raw_get(rest, "tries"), &tries) && tries > 0 && tries < INT32_MAX)
        report.tries = (int)tries;
    (void)!json_raw_int(json_raw_get(rest, "bytes"), &report.bytes);
    report.is_cut = json_raw_is_true(json_raw_get(rest, "is_cut"));
    report.has_results = json_raw_int(json_raw_get(rest, "results"), &report.results);
    return report;
}

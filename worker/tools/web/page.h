#pragma once
/* The read_page tool: a page of the public web as a text that a model reads.
 *
 * Every hop passes the agent's domains, the SSRF guard (hops.h) and the site's robots.txt; then the
 * bytes become UTF-8 (text/charset.h) and a text (text/html_text.h), off the loop. A PDF is read by
 * pdftotext in a sandbox, and nowhere else. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;
struct json_object;
struct tool_call;
struct web_tool;

#define PAGE_REPLY_MAX ((size_t)2 << 20)
#define PAGE_TEXT_MAX  ((size_t)64 << 10) /* of a result; the next one begins there */
#define PAGE_WAIT_MS   10000

extern const char read_page_description[];
extern const char read_page_parameters[];

/* Appends " example.com", as far as it can be read. Pure. */
void page_describe(struct json_object *arguments, struct buf *out);

/* The arguments fit the schema. Appends what the model is told. Returns 0, or what went wrong in
 * words for the model. */
SUSPENDS MUSTCHECK int page_read(const struct tool_call *call, const struct web_tool *tool,
                                 struct json_object *arguments, struct buf *out, struct error *err);

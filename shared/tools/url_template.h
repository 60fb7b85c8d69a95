#pragma once
/* The address of a declared tool: a template, of which scheme and host are fixed, and where a value
 * stays in its segment or its member of the query. Pure. */

#include "shared/base/compiler.h"
#include "shared/tools/template.h"

#define TOOL_URL_BYTES_MAX 8192 /* filled */

struct url_template {
    struct text origin; /* "https://host:port" */
    struct text path;   /* from the first slash on; may be empty */
    struct text query;  /* without the question mark; TEXT_NONE: there is none */
};

/* Returns 0, or -E_INVALID: it has no http or https, no host, or something behind a "#". */
MUSTCHECK int url_template_split(struct text url, struct url_template *out, struct error *err);

/* Whether all that stands in it as text may stand in a URL. Placeholders are the caller's to
 * look at. Returns 0 or -E_INVALID. */
MUSTCHECK int url_template_check(const struct url_template *url, struct error *err);

/* Whether a value may stand in a host: letters, digits, '-', '.' between labels. */
bool url_host_fits(struct text text);

/* Appends it filled, with its query. Returns 0; -E_INVALID with what is wrong with which parameter,
 * for the model; or -E_NOT_FOUND, as template_write. */
MUSTCHECK int url_template_write(const struct url_template *url,
                                 const struct template_values *values, struct buf *out,
                                 struct error *err);

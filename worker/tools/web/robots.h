#pragma once
/* robots.txt by RFC 9309: what a site asks programs not to read. Pure.
 *
 * Of the groups those that name our product token count, together; where there is none, those for
 * "*". Of the rules that match a path the longest one decides, and where two are as long the one
 * that allows. "*" and a final "$" mean what they mean in the RFC. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

#define ROBOTS_TOKEN     "penstock"
#define ROBOTS_BYTES_MAX ((size_t)500 << 10) /* of a file; what is behind it is not read */
#define ROBOTS_RULES_MAX 20000

struct robots_rule {
    bool allow;
    char *pattern;
    size_t len;
};

struct robots {
    struct robots_rule *rules;
    size_t count;
    size_t bytes; /* that it takes */
};

/* Never fails: what is not understood says nothing. */
void robots_parse(struct text file, struct robots *out);
void robots_deinit(struct robots *robots);

/* Whether a path may be read: "/a/b?c=d", as in a URL. */
bool robots_allow(const struct robots *robots, struct text path);

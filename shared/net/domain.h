#pragma once
/* Lists of domains, as tools that read the web have them. Pure.
 *
 * A domain stands for itself and all that is below it: "example.com" is www.example.com, too. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

#define DOMAIN_MAX 253 /* bytes */

/* Letters, digits, '-' and '_' in labels of 1 to 63, with dots between: a name as it stands in a
 * URL, without a scheme, a port, a path or "*.". */
bool domain_fits(struct text name);

/* Whether `name` is the domain, or below it; in any case, with or without a final dot. */
bool domain_covers(struct text domain, struct text name);

/* Which names may be: those that an allowed domain covers, where there is one, and no blocked one
 * does. */
struct domain_rules {
    const struct text *allowed;
    size_t allowed_count; /* 0: all are */
    const struct text *blocked;
    size_t blocked_count;
};

bool domain_rules_allow(const struct domain_rules *rules, struct text name);

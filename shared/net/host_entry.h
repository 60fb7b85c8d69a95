#pragma once
/* Entries of an allow-list of hosts. Pure.
 *
 * "host" (ports 80 and 443), "host:port", and "*.host" or "*.host:port" for every subdomain (not
 * the host itself). IPv6 in brackets.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;

struct host_entry {
    struct text host; /* without "*.", brackets and a final dot; borrowed from the entry */
    bool subdomains;
    int port; /* 0: 80 and 443 */
};

/* Returns 0, or -E_INVALID with what would be right. `err` may be NULL. */
MUSTCHECK int host_entry_parse(struct text entry, struct host_entry *out, struct error *err);

/* `host` in any case, without a final dot, IPv6 without brackets. */
bool host_entry_allows(const struct host_entry *entry, struct text host, int port);

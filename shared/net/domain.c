/* Domains are compared label by label from the end, which is a comparison of bytes in front of
 * which a dot, or nothing, stands. */

#include "shared/net/domain.h"

#include <strings.h>

#define LABEL_MAX 63

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

bool domain_fits(struct text name)
{
    size_t label = 0;

    if (name.len == 0 || name.len > DOMAIN_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '.') {
            if (label == 0)
                return false;
            label = 0;
        } else if (!is_letter(name.ptr[i]) || ++label > LABEL_MAX) {
            return false;
        }
    }
    return label > 0;
}

static struct text without_dot(struct text name)
{
    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    return name;
}

bool domain_covers(struct text domain, struct text name)
{
    size_t before;

    domain = without_dot(domain);
    name = without_dot(name);
    if (domain.len == 0 || name.len < domain.len)
        return false;
    before = name.len - domain.len;
    return strncasecmp(name.ptr + before, domain.ptr, domain.len) == 0 &&
           (before == 0 || name.ptr[before - 1] == '.');
}

static bool covered(const struct text *list, size_t count, struct text name)
{
    for (size_t i = 0; i < count; i++)
        if (domain_covers(list[i], name))
            return true;
    return false;
}

bool domain_rules_allow(const struct domain_rules *rules, struct text name)
{
    if (rules->allowed_count > 0 && !covered(rules->allowed, rules->allowed_count, name))
        return false;
    return !covered(rules->blocked, rules->blocked_count, name);
}

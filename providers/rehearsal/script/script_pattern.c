/* How large a regular expression becomes when it is compiled.
 *
 * glibc's regcomp writes repetitions out: a{200}{200}{200} is eight million copies, and each plus
 * behind another doubles what it stands behind. A pattern of a few bytes would take all memory, so
 * the copies are counted before. The count is an upper bound; it does not check the syntax.
 */

#include <string.h>

#include "providers/rehearsal/script/script_yaml.h"

#define COPIES_MAX  20000
#define NESTING_MAX 50

/* A group, or the whole. */
struct group {
    uint64_t all;  /* atoms in it, copies counted */
    uint64_t last; /* of the atom or group that a repetition would repeat */
};

/* Behind a bracket expression that begins at `at`. */
static const char *skip_bracket(const char *at)
{
    at += at[1] == '^' ? 2 : 1;
    if (*at == ']')
        at++;
    while (*at && *at != ']') {
        if (*at == '[' && at[1] && strchr(":.=", at[1])) {
            const char end[] = {at[1], ']', '\0'};
            const char *closed = strstr(at + 2, end);

            at = closed ? closed + 1 : at;
        }
        at++;
    }
    return *at ? at + 1 : at;
}

/* Reads {n}, {n,}, {,m} or {n,m} at `at`; behind it, or NULL when it is something else. */
static const char *read_interval(const char *at, uint64_t *out_times)
{
    uint64_t bounds[2] = {0, 0};
    int bound = 0;

    for (at++; *at && *at != '}'; at++) {
        if (*at == ',' && bound == 0)
            bound = 1;
        else if (*at >= '0' && *at <= '9' && bounds[bound] < COPIES_MAX)
            bounds[bound] = bounds[bound] * 10 + (uint64_t)(*at - '0');
        else
            return NULL;
    }
    if (!*at)
        return NULL;
    *out_times = 1 + (bounds[0] > bounds[1] ? bounds[0] : bounds[1]);
    return at + 1;
}

static void add_atom(struct group *group, uint64_t size)
{
    group->all += size;
    group->last = size;
}

static void repeat(struct group *group, uint64_t times)
{
    group->all += group->last * (times - 1);
    group->last *= times;
}

bool script_pattern_fits(const char *at)
{
    struct group groups[NESTING_MAX] = {{0}};
    size_t depth = 0;

    while (*at && groups[depth].all <= COPIES_MAX) {
        struct group *group = &groups[depth];
        uint64_t times = 2;
        const char *behind = *at == '{' ? read_interval(at, &times) : NULL;

        if (behind || *at == '+') {
            repeat(group, times);
            at = behind ? behind : at + 1;
        } else if (*at == '(') {
            if (++depth == NESTING_MAX)
                return false;
            groups[depth] = (struct group){0};
            at++;
        } else if (*at == ')' && depth > 0) {
            depth--;
            add_atom(&groups[depth], group->all + 1);
            at++;
        } else if (*at == '*' || *at == '?') {
            at++; /* no copy */
        } else {
            add_atom(group, 1);
            at = *at == '[' ? skip_bracket(at) : at + 1 + (*at == '\\' && at[1]);
        }
    }
    return groups[depth].all <= COPIES_MAX;
}

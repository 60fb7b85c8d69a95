/* A pattern is matched piece by piece between its stars, each at the first place where it stands,
 * so a rule takes time by the length of the path, whatever it is. */

#include "worker/tools/web/robots.h"

#include <stdlib.h>

#include "shared/base/memory.h"

#define PATTERN_MAX 8192 /* bytes */

/* ---- paths, so that two spellings of one are the same ---- */

static bool is_plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static void add_escaped(struct buf *out, unsigned char c)
{
    static const char digits[] = "0123456789ABCDEF";
    const char escaped[3] = {'%', digits[c >> 4], digits[c & 15]};

    buf_add(out, escaped, sizeof(escaped));
}

/* "%7e" is "~", "%c3" is "%C3", and so is the byte itself. */
static void add_path(struct buf *out, struct text path)
{
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];
        int high = c == '%' && i + 2 < path.len ? text_hex_digit(path.ptr[i + 1]) : -1;
        int low = high >= 0 ? text_hex_digit(path.ptr[i + 2]) : -1;

        if (low >= 0) {
            c = (unsigned char)(high << 4 | low);
            i += 2;
            if (!is_plain(c)) {
                add_escaped(out, c);
                continue;
            }
        }
        if (c >= 0x80 || c <= ' ')
            add_escaped(out, c);
        else
            buf_add_char(out, (char)c);
    }
}

/* ---- lines ---- */

enum line_kind { LINE_AGENT, LINE_ALLOW, LINE_DISALLOW, LINE_OTHER };

static enum line_kind kind_of(struct text key)
{
    if (text_is_nocase(key, "user-agent"))
        return LINE_AGENT;
    if (text_is_nocase(key, "allow"))
        return LINE_ALLOW;
    return text_is_nocase(key, "disallow") ? LINE_DISALLOW : LINE_OTHER;
}

/* "penstock/1.0" names us, too. */
static struct text token_of(struct text value)
{
    size_t len = 0;

    while (len < value.len && (is_plain((unsigned char)value.ptr[len]) && value.ptr[len] != '.'))
        len++;
    return (struct text){value.ptr, len};
}

struct group_state {
    bool in_agents; /* the last line that counts named an agent */
    bool ours;
    bool anybodys;
};

static void take_agent(struct group_state *state, struct text value)
{
    if (!state->in_agents)
        *state = (struct group_state){.in_agents = true};
    if (text_is(value, "*"))
        state->anybodys = true;
    else if (text_is_nocase(token_of(value), ROBOTS_TOKEN))
        state->ours = true;
}

static void add_rule(struct robots *robots, bool allow, struct text pattern)
{
    CLEANUP(buf_deinit) struct buf path = {0};
    struct robots_rule *rule;

    if (pattern.len == 0 || pattern.len > PATTERN_MAX || robots->count == ROBOTS_RULES_MAX)
        return;
    buf_init(&path, 0);
    add_path(&path, pattern);
    if (robots->count % 64 == 0)
        robots->rules = xrealloc(robots->rules, (robots->count + 64) * sizeof(*robots->rules));
    rule = &robots->rules[robots->count++];
    *rule = (struct robots_rule){.allow = allow, .len = path.len};
    rule->pattern = buf_take(&path);
    robots->bytes += sizeof(*rule) + rule->len + 1;
}

struct parse {
    struct group_state state;
    struct robots ours;
    struct robots anybodys;
    bool names_us; /* a group of ours without a rule counts, too */
};

static void take_line(struct parse *parse, struct text line)
{
    struct text comment;
    struct text key;
    struct text value;
    enum line_kind kind;

    if (text_cut(line, '#', &key, &comment))
        line = key;
    if (!text_cut(line, ':', &key, &value))
        return;
    value = text_trim(value);
    kind = kind_of(text_trim(key));
    if (kind == LINE_OTHER)
        return;
    if (kind == LINE_AGENT) {
        take_agent(&parse->state, value);
        parse->names_us |= parse->state.ours;
        return;
    }
    parse->state.in_agents = false;
    if (parse->state.ours)
        add_rule(&parse->ours, kind == LINE_ALLOW, value);
    if (parse->state.anybodys)
        add_rule(&parse->anybodys, kind == LINE_ALLOW, value);
}

void robots_parse(struct text file, struct robots *out)
{
    struct parse parse = {.names_us = false};

    if (file.len > ROBOTS_BYTES_MAX)
        file.len = ROBOTS_BYTES_MAX;
    if (text_starts(file, "\xef\xbb\xbf"))
        file = (struct text){file.ptr + 3, file.len - 3};
    while (file.len > 0) {
        size_t len = 0;

        while (len < file.len && file.ptr[len] != '\n' && file.ptr[len] != '\r')
            len++;
        take_line(&parse, (struct text){file.ptr, len});
        len += len < file.len;
        file = (struct text){file.ptr + len, file.len - len};
    }
    robots_deinit(parse.names_us ? &parse.anybodys : &parse.ours);
    *out = parse.names_us ? parse.ours : parse.anybodys;
}

void robots_deinit(struct robots *robots)
{
    for (size_t i = 0; i < robots->count; i++)
        free(robots->rules[i].pattern);
    free(robots->rules);
    *robots = (struct robots){.rules = NULL};
}

/* ---- matching ---- */

static bool matches(const struct robots_rule *rule, struct text path)
{
    struct text pattern = {rule->pattern, rule->len};
    bool anchored = pattern.len > 0 && pattern.ptr[pattern.len - 1] == '$';
    bool first = true;

    if (anchored)
        pattern.len--;
    for (;;) {
        struct text piece;
        bool more = text_cut(pattern, '*', &piece, &pattern);
        const char *found;

        if (!more)
            piece = pattern;
        if (!more && anchored && !first)
            return path.len >= piece.len &&
                   memcmp(path.ptr + path.len - piece.len, piece.ptr, piece.len) == 0;
        found = memmem(path.ptr, path.len, piece.ptr, piece.len);
        if (!found || (first && found != path.ptr))
            return false;
        path = (struct text){found + piece.len, path.len - piece.len - (size_t)(found - path.ptr)};
        if (!more)
            return !anchored || path.len == 0;
        first = false;
    }
}

bool robots_allow(const struct robots *robots, struct text path)
{
    const struct robots_rule *best = NULL;
    CLEANUP(buf_deinit) struct buf plain = {0};

    if (text_is(path, "/robots.txt"))
        return true;
    buf_init(&plain, 0);
    add_path(&plain, path);
    for (size_t i = 0; i < robots->count; i++) {
        const struct robots_rule *rule = &robots->rules[i];

        if (best && (rule->len < best->len || (rule->len == best->len && best->allow)))
            continue;
        if (matches(rule, buf_text(&plain)))
            best = rule;
    }
    return !best || best->allow;
}

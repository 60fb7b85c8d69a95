/* Checking a value against a schema: one function per group of keywords, each looking only at the
 * kinds of value it speaks of, as the specification has it.
 *
 * The walk goes down the value and the schema together; schema_enter bounds its depth (which also
 * ends references that lead back to themselves) and its steps (which ends alternatives within
 * alternatives). Where an alternative is only tried, probe() puts the walk back to where it was.
 *
 * A new keyword: a function here in `groups`, and a row in the table of schema_validate.c.
 */

#include "shared/schema/schema.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "shared/base/error.h"
#include "shared/schema/schema_internal.h"

#define SHOWN_MAX SCHEMA_SHOWN_MAX

enum { PROBE_NO = 1 };

static int check(struct schema_walk *walk, struct json_object *schema, struct json_object *value,
                 struct error *err);

/* Tries a schema. Returns 0 when it is satisfied, PROBE_NO with the reason in *why, or -E_LIMIT. */
static int probe(struct schema_walk *walk, struct json_object *schema, struct json_object *value,
                 struct error *why)
{
    size_t mark = walk->path.len;
    unsigned depth = walk->depth;
    int r = check(walk, schema, value, why);

    schema_path_leave(walk, mark);
    walk->depth = depth;
    return r == -E_INVALID ? PROBE_NO : r;
}

/* "a", "b" or "c", cut short where it gets long. */
static void list_values(struct buf *out, struct json_object *values)
{
    size_t count = json_object_array_length(values);

    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_add_string(out, i + 1 == count ? " or " : ", ");
        if (out->len > SHOWN_MAX) {
            buf_add_string(out, "...");
            return;
        }
        json_encode(out, json_object_array_get_idx(values, i));
    }
}

static int check_type(struct schema_walk *walk, struct json_object *schema,
                      struct json_object *value, struct error *err)
{
    struct json_object *type = json_get(schema, "type");
    CLEANUP(buf_deinit) struct buf expected;
    size_t count;

    buf_init(&expected, 0);
    if (json_object_is_type(type, json_type_string)) {
        const char *name = json_object_get_string(type);

        if (schema_is_type(value, name))
            return 0;
        return schema_fail(walk, err, "expected %s, got %s", schema_type_article(name),
                           schema_kind(value));
    }
    if (!json_object_is_type(type, json_type_array))
        return 0;
    count = json_object_array_length(type);
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string(json_object_array_get_idx(type, i)).ptr;

        if (!name || schema_is_type(value, name))
            return 0;
        if (i > 0)
            buf_add_string(&expected, i + 1 == count ? " or " : ", ");
        buf_add_string(&expected, schema_type_article(name));
    }
    return schema_fail(walk, err, "expected %s, got %s", buf_string(&expected), schema_kind(value));
}

static int check_constants(struct schema_walk *walk, struct json_object *schema,
                           struct json_object *value, struct error *err)
{
    struct json_object *list = json_get(schema, "enum");
    struct json_object *constant;
    CLEANUP(buf_deinit) struct buf expected;
    char shown[SHOWN_MAX + 8];
    int r;

    buf_init(&expected, 0);
    if (json_object_object_get_ex(schema, "const", &constant) &&
        !schema_equal(constant, value, 0)) {
        json_encode(&expected, constant);
        r = schema_spend(walk, expected.len / SCHEMA_STEP_BYTES, err);
        return r < 0 ? r
                     : schema_fail(walk, err, "expected %.*s, got %s", SHOWN_MAX,
                                   buf_string(&expected), schema_shown(value, shown));
    }
    if (!json_object_is_type(list, json_type_array))
        return 0;
    r = schema_spend(walk, json_object_array_length(list), err);
    for (size_t i = 0; r == 0 && i < json_object_array_length(list); i++)
        if (schema_equal(json_object_array_get_idx(list, i), value, 0))
            return 0;
    list_values(&expected, list);
    if (r == 0)
        r = schema_spend(walk, expected.len / SCHEMA_STEP_BYTES, err);
    return r < 0 ? r
                 : schema_fail(walk, err, "expected %.*s, got %s", SHOWN_MAX + 30,
                               buf_string(&expected), schema_shown(value, shown));
}

static bool is_multiple(struct json_object *value, struct json_object *of)
{
    double x = json_object_get_double(value), y = json_object_get_double(of), quotient;

    if (y <= 0)
        return true;
    if (json_object_is_type(value, json_type_int) && json_object_is_type(of, json_type_int))
        return json_object_get_int64(value) % json_object_get_int64(of) == 0;
    quotient = x / y;
    /* 0.3 is a multiple of 0.1, although neither is exact. */
    return isfinite(quotient) && fabs(quotient - round(quotient)) <= 1e-9 * fmax(1, fabs(quotient));
}

static int check_number(struct schema_walk *walk, struct json_object *schema,
                        struct json_object *value, struct error *err)
{
    static const struct {
        const char *keyword;
        const char *expected;
        int sign; /* of value compared to the limit, when wrong */
        bool equal_is_wrong;
    } limits[] = {
        {"minimum", "at least", -1, false},
        {"maximum", "at most", 1, false},
        {"exclusiveMinimum", "more than", -1, true},
        {"exclusiveMaximum", "less than", 1, true},
    };
    struct json_object *multiple = json_get(schema, "multipleOf");
    char shown[SHOWN_MAX + 8], shown_limit[SHOWN_MAX + 8];
    double ignored;

    if (!schema_number(value, &ignored))
        return 0;
    for (size_t i = 0; i < ARRAY_LENGTH(limits); i++) {
        struct json_object *limit = json_get(schema, limits[i].keyword);
        int order;

        if (!schema_number(limit, &ignored))
            continue;
        order = schema_compare(value, limit);
        if (order == limits[i].sign || (order == 0 && limits[i].equal_is_wrong))
            return schema_fail(walk, err, "expected a number that is %s %s, got %s",
                               limits[i].expected, schema_shown(limit, shown_limit),
                               schema_shown(value, shown));
    }
    if (schema_number(multiple, &ignored) && !is_multiple(value, multiple))
        return schema_fail(walk, err, "expected a multiple of %s, got %s",
                           schema_shown(multiple, shown_limit), schema_shown(value, shown));
    return 0;
}

/* A count against "minX" and "maxX". */
struct extent {
    const char *minimum;
    const char *maximum;
    const char *unit;
};

static int check_extent(struct schema_walk *walk, struct json_object *schema,
                        const struct extent *extent, size_t count, struct error *err)
{
    struct json_object *minimum = json_get(schema, extent->minimum);
    struct json_object *maximum = json_get(schema, extent->maximum);
    double limit;

    if (schema_number(minimum, &limit) && (double)count < limit)
        return schema_fail(walk, err, "expected at least %.0f %s, got %zu", limit, extent->unit,
                           count);
    if (schema_number(maximum, &limit) && (double)count > limit)
        return schema_fail(walk, err, "expected at most %.0f %s, got %zu", limit, extent->unit,
                           count);
    return 0;
}

static int check_pattern(struct schema_walk *walk, const char *pattern, struct text text,
                         struct error *err)
{
    switch (schema_pattern_match(&walk->patterns, pattern, text)) {
    case SCHEMA_MATCH:
        return 0;
    case SCHEMA_NO_MATCH:
        return schema_fail(walk, err, "expected a string that matches the pattern %.80s", pattern);
    case SCHEMA_MATCH_LIMIT:
        break;
    }
    return schema_fail(walk, err, "the pattern %.80s takes too long on this string", pattern);
}

static int check_string(struct schema_walk *walk, struct json_object *schema,
                        struct json_object *value, struct error *err)
{
    static const struct extent extent = {"minLength", "maxLength", "characters"};
    const char *pattern = json_get_string(schema, "pattern");
    int r;

    if (!json_object_is_type(value, json_type_string))
        return 0;
    r = check_extent(walk, schema, &extent, text_characters(json_string(value)), err);
    if (r == 0 && pattern)
        r = check_pattern(walk, pattern, json_string(value), err);
    return r;
}

static int check_element(struct schema_walk *walk, struct json_object *schema,
                         struct json_object *array, size_t index, struct error *err)
{
    size_t mark = schema_path_index(walk, index);
    int r = check(walk, schema, json_object_array_get_idx(array, index), err);

    if (r == 0)
        schema_path_leave(walk, mark);
    return r;
}

/* Compares each with each: steps bound it. */
static int check_unique(struct schema_walk *walk, struct json_object *array, struct error *err)
{
    size_t count = json_object_array_length(array);

    for (size_t i = 1; i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            int r = schema_spend(walk, 1, err);

            if (r < 0)
                return r;
            if (schema_equal(json_object_array_get_idx(array, i),
                             json_object_array_get_idx(array, k), 0))
                return schema_fail(walk, err, "expected no duplicates, got the same at %zu and %zu",
                                   k, i);
        }
    }
    return 0;
}

static int check_contains(struct schema_walk *walk, struct json_object *schema,
                          struct json_object *array, struct error *err)
{
    struct json_object *contained;
    struct json_object *least = json_get(schema, "minContains");
    struct error why;

    if (!json_object_object_get_ex(schema, "contains", &contained) ||
        (least && json_object_get_double(least) < 1))
        return 0;
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        int r = probe(walk, contained, json_object_array_get_idx(array, i), &why);

        if (r <= 0) {
            if (r < 0 && err)
                *err = why;
            return r;
        }
    }
    return schema_fail(walk, err, "expected an element as \"contains\" demands it, got none");
}

static int check_array(struct schema_walk *walk, struct json_object *schema,
                       struct json_object *value, struct error *err)
{
    static const struct extent extent = {"minItems", "maxItems", "elements"};
    struct json_object *prefix = json_get(schema, "prefixItems");
    struct json_object *items = json_get(schema, "items");
    size_t count, first = 0;
    int r;

    if (!json_object_is_type(value, json_type_array))
        return 0;
    count = json_object_array_length(value);
    r = check_extent(walk, schema, &extent, count, err);
    if (json_object_is_type(prefix, json_type_array)) {
        for (; r == 0 && first < json_object_array_length(prefix) && first < count; first++)
            r = check_element(walk, json_object_array_get_idx(prefix, first), value, first, err);
    }
    for (size_t i = first; r == 0 && items && i < count; i++)
        r = check_element(walk, items, value, i, err);
    if (r == 0 && json_get_bool(schema, "uniqueItems", false))
        r = check_unique(walk, value, err);
    return r < 0 ? r : check_contains(walk, schema, value, err);
}

static int check_member(struct schema_walk *walk, struct json_object *schema, const char *key,
                        struct json_object *member, struct error *err)
{
    size_t mark = schema_path_key(walk, key);
    int r = check(walk, schema, member, err);

    if (r == 0)
        schema_path_leave(walk, mark);
    return r;
}

/* A member that no property and no pattern speaks of, where additionalProperties is false. */
static int fail_unknown(struct schema_walk *walk, const char *key, struct json_object *properties,
                        struct error *err)
{
    CLEANUP(buf_deinit) struct buf known;
    size_t mark = schema_path_key(walk, key);
    int r;

    buf_init(&known, 0);
    if (json_object_is_type(properties, json_type_object)) {
        json_object_object_foreach(properties, name, schema)
        {
            (void)schema;
            if (known.len > SHOWN_MAX) {
                buf_add_string(&known, ", ...");
                break;
            }
            buf_add_string(&known, known.len > 0 ? ", " : "");
            buf_add_json_string(&known, name);
        }
    }
    if (known.len > 0)
        r = schema_fail(walk, err, "unknown property, there are %.*s", SHOWN_MAX + 60,
                        buf_string(&known));
    else
        r = schema_fail(walk, err, "unknown property, none is allowed here");
    schema_path_leave(walk, mark);
    return r;
}

/* Whether a pattern speaks of a member. */
static int match_name(struct schema_walk *walk, const char *pattern, const char *key, bool *out,
                      struct error *err)
{
    enum schema_match match = schema_pattern_match(&walk->patterns, pattern, text_of(key));

    *out = match == SCHEMA_MATCH;
    if (match == SCHEMA_MATCH_LIMIT)
        return schema_fail(walk, err, "the pattern %.80s takes too long on the name %.80s", pattern,
                           key);
    return schema_spend(walk, 1, err);
}

/* One member against properties, patternProperties, and additionalProperties where none applies. */
static int check_one_member(struct schema_walk *walk, struct json_object *schema, const char *key,
                            struct json_object *member, struct error *err)
{
    struct json_object *properties = json_get(schema, "properties");
    struct json_object *patterns = json_get(schema, "patternProperties");
    struct json_object *additional, *own;
    bool known = false;
    int r = schema_spend(walk, 1 + strlen(key) / SCHEMA_STEP_BYTES, err);

    if (r < 0)
        return r;
    if (json_object_is_type(properties, json_type_object) &&
        json_object_object_get_ex(properties, key, &own)) {
        known = true;
        r = check_member(walk, own, key, member, err);
    }
    if (json_object_is_type(patterns, json_type_object)) {
        json_object_object_foreach(patterns, pattern, by_pattern)
        {
            bool matches = false;

            if (r == 0)
                r = match_name(walk, pattern, key, &matches, err);
            if (r < 0)
                return r;
            if (!matches)
                continue;
            known = true;
            r = check_member(walk, by_pattern, key, member, err);
        }
    }
    if (known || r < 0 || !json_object_object_get_ex(schema, "additionalProperties", &additional))
        return r;
    if (json_object_is_type(additional, json_type_boolean) && !json_object_get_boolean(additional))
        return fail_unknown(walk, key, properties, err);
    return check_member(walk, additional, key, member, err);
}

static int check_names(struct schema_walk *walk, struct json_object *schema, const char *key,
                       struct error *err)
{
    struct json_object *names, *name;
    int r;

    if (!json_object_object_get_ex(schema, "propertyNames", &names))
        return 0;
    name = json_object_new_string(key);
    r = check_member(walk, names, key, name, err);
    json_free(name);
    return r;
}

static int check_present(struct schema_walk *walk, struct json_object *required,
                         struct json_object *value, const char *because, struct error *err)
{
    int r;

    if (!json_object_is_type(required, json_type_array))
        return 0;
    r = schema_spend(walk, json_object_array_length(required), err);
    for (size_t i = 0; r == 0 && i < json_object_array_length(required); i++) {
        struct json_object *name = json_object_array_get_idx(required, i);

        if (json_object_is_type(name, json_type_string) &&
            !json_has(value, json_object_get_string(name)))
            return schema_fail(walk, err, "missing the property \"%.80s\"%s%.80s",
                               json_object_get_string(name), because ? ", which goes with " : "",
                               because ? because : "");
    }
    return r;
}

static int check_object(struct schema_walk *walk, struct json_object *schema,
                        struct json_object *value, struct error *err)
{
    static const struct extent extent = {"minProperties", "maxProperties", "properties"};
    struct json_object *dependent = json_get(schema, "dependentRequired");
    struct json_object *because;
    int r;

    if (!json_object_is_type(value, json_type_object))
        return 0;
    r = check_present(walk, json_get(schema, "required"), value, NULL, err);
    if (r == 0)
        r = check_extent(walk, schema, &extent, (size_t)json_object_object_length(value), err);
    if (r < 0)
        return r;
    json_object_object_foreach(value, key, member)
    {
        r = check_names(walk, schema, key, err);
        if (r == 0)
            r = check_one_member(walk, schema, key, member, err);
        if (r == 0 && json_object_is_type(dependent, json_type_object) &&
            json_object_object_get_ex(dependent, key, &because))
            r = check_present(walk, because, value, key, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* anyOf and oneOf: how many are satisfied. */
static int count_satisfied(struct schema_walk *walk, struct json_object *list,
                           struct json_object *value, size_t *out, struct error *first)
{
    size_t satisfied = 0;

    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct error why;
        int r = probe(walk, json_object_array_get_idx(list, i), value, &why);

        if (r < 0 || (r == PROBE_NO && i == 0))
            *first = why;
        if (r < 0)
            return r;
        satisfied += r == 0;
    }
    *out = satisfied;
    return 0;
}

static int check_some(struct schema_walk *walk, struct json_object *schema, const char *keyword,
                      struct json_object *value, struct error *err)
{
    struct json_object *list = json_get(schema, keyword);
    struct error first = {0};
    size_t satisfied;
    int r;

    if (!json_object_is_type(list, json_type_array) || json_object_array_length(list) == 0)
        return 0;
    r = count_satisfied(walk, list, value, &satisfied, &first);
    if (r < 0) {
        if (err)
            *err = first;
        return r;
    }
    if (satisfied == 0)
        return schema_fail(walk, err,
                           "fits none of the %zu alternatives of %s; the first says: %.120s",
                           (size_t)json_object_array_length(list), keyword, first.text);
    if (satisfied > 1 && strcmp(keyword, "oneOf") == 0)
        return schema_fail(walk, err, "fits %zu alternatives of oneOf, expected exactly one",
                           satisfied);
    return 0;
}

static int check_all_and_not(struct schema_walk *walk, struct json_object *schema,
                             struct json_object *value, struct error *err)
{
    struct json_object *all = json_get(schema, "allOf");
    struct json_object *not = NULL;
    struct error why;
    int r = 0;

    if (json_object_is_type(all, json_type_array))
        for (size_t i = 0; r == 0 && i < json_object_array_length(all); i++)
            r = check(walk, json_object_array_get_idx(all, i), value, err);
    if (r < 0 || !json_object_object_get_ex(schema, "not", &not ))
        return r;
    r = probe(walk, not, value, &why);
    if (r == 0)
        return schema_fail(walk, err, "fits what \"not\" forbids");
    if (r < 0 && err)
        *err = why;
    return r < 0 ? r : 0;
}

static int check_conditional(struct schema_walk *walk, struct json_object *schema,
                             struct json_object *value, struct error *err)
{
    struct json_object *condition, *consequence;
    struct error why;
    int r;

    if (!json_object_object_get_ex(schema, "if", &condition))
        return 0;
    r = probe(walk, condition, value, &why);
    if (r < 0) {
        if (err)
            *err = why;
        return r;
    }
    if (!json_object_object_get_ex(schema, r == 0 ? "then" : "else", &consequence))
        return 0;
    return check(walk, consequence, value, err);
}

static int check_combined(struct schema_walk *walk, struct json_object *schema,
                          struct json_object *value, struct error *err)
{
    const char *reference = json_get_string(schema, "$ref");
    struct json_object *target;
    int r = 0;

    if (reference)
        r = schema_spend(walk, strlen(reference) / SCHEMA_STEP_BYTES, err);
    if (r == 0 && reference && schema_resolve(walk->root, reference, &target))
        r = check(walk, target, value, err);
    if (r == 0)
        r = check_some(walk, schema, "anyOf", value, err);
    if (r == 0)
        r = check_some(walk, schema, "oneOf", value, err);
    if (r == 0)
        r = check_all_and_not(walk, schema, value, err);
    return r < 0 ? r : check_conditional(walk, schema, value, err);
}

static int check(struct schema_walk *walk, struct json_object *schema, struct json_object *value,
                 struct error *err)
{
    static int (*const groups[])(struct schema_walk * walk, struct json_object * schema,
                                 struct json_object * value, struct error * err) = {
        check_type,  check_constants, check_number,   check_string,
        check_array, check_object,    check_combined,
    };
    int r;

    if (json_object_is_type(schema, json_type_boolean) && !json_object_get_boolean(schema))
        return schema_fail(walk, err, "no value is allowed here");
    if (!json_object_is_type(schema, json_type_object))
        return 0;
    r = schema_enter(walk, err);
    if (r == 0)
        r = schema_spend(walk, json_string(value).len / SCHEMA_STEP_BYTES, err);
    for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(groups); i++)
        r = groups[i](walk, schema, value, err);
    if (r == 0)
        walk->depth--;
    return r;
}

int schema_check(struct json_object *schema, struct json_object *value, struct error *err)
{
    CLEANUP(schema_walk_deinit) struct schema_walk walk;

    schema_walk_init(&walk, schema);
    return check(&walk, schema, value, err);
}

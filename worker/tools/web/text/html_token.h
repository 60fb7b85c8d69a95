#pragma once
/* HTML as a row of tokens: texts, tags, nothing else. Pure, and its time is linear in the bytes,
 * whatever they are.
 *
 * Why not libxml2, whose parser would build a tree: it compares each attribute of a tag with all
 * before it, in one call, so a page of 350 KB with a single tag holds its caller for more than 18 s
 * of CPU, and no slice of work helps, since a tag is one slice (measured with 2.9.14). What is
 * wanted here is a text, for which tokens and a list of what is open are enough.
 *
 * Comments, declarations, scripts and styles give no token. Nothing is decoded: references to
 * characters stand in texts and values as they do in the page. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

#define HTML_NAME_SIZE      24   /* a longer name is cut */
#define HTML_ATTRIBUTES_MAX 24   /* of a tag; more are passed over */
#define HTML_PIECE          4096 /* a longer text comes as several */

enum html_kind { HTML_TEXT, HTML_START, HTML_END };

struct html_attribute {
    struct text name; /* as it is written */
    struct text value;
};

struct html_token {
    enum html_kind kind;
    struct text text;          /* of HTML_TEXT */
    char name[HTML_NAME_SIZE]; /* of tags; lower case */
    bool closed;               /* "<br/>" */
    size_t attribute_count;
    struct html_attribute attributes[HTML_ATTRIBUTES_MAX];
};

struct html_reader {
    struct text input;
    size_t at;
    bool is_xml;
    char raw[HTML_NAME_SIZE]; /* the element within which tags are text; "": none */
    size_t raw_end;           /* where that one ends; looked for once */
};

/* In XHTML a <script/> has no text. */
void html_reader_init(struct html_reader *reader, struct text input, bool is_xml);

/* The next token, whose texts lie in the input. False: there is none. */
MUSTCHECK bool html_next(struct html_reader *reader, struct html_token *out);

/* The first attribute of that name (lower case), as it is written; TEXT_NONE: there is none. */
struct text html_attribute(const struct html_token *token, const char *name);

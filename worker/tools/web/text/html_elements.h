#pragma once
/* What elements of HTML are to a text. Pure. */

#include "shared/base/compiler.h"

enum html_element_flag {
    HTML_BLOCK = 1,      /* begins a line */
    HTML_APART = 2,      /* with an empty line around it */
    HTML_VOID = 4,       /* has no end tag */
    HTML_DROPPED = 8,    /* with all that is in it */
    HTML_SIDE = 16,      /* dropped outside of the main part */
    HTML_MAIN = 32,      /* the main part */
    HTML_ARTICLE = 64,   /* else this */
    HTML_CELL = 128,     /* of a row */
    HTML_AS_IS = 256,    /* its white space counts */
    HTML_CONTAINER = 512 /* what is open outside of it is not ended by what is in it */
};

/* Elements that end when another one begins, by kinds. */
enum html_group {
    HTML_OF_P = 1,
    HTML_OF_ITEMS = 2,
    HTML_OF_TERMS = 4, /* dt, dd */
    HTML_OF_OPTIONS = 8,
    HTML_OF_CELLS = 16,
    HTML_OF_ROWS = 32,
    HTML_OF_ROW_GROUPS = 64,
};

struct html_element {
    const char *name;
    unsigned flags;
    unsigned group; /* what it is */
    unsigned ends;  /* what is open of these groups ends before it */
    int heading;    /* 1 to 6 */
};

/* Never NULL: what is not known is like a <span>. */
const struct html_element *html_element_find(const char *name);

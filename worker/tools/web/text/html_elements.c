#include "worker/tools/web/text/html_elements.h"

#include <stdlib.h>
#include <string.h>

#define P       (HTML_BLOCK | HTML_APART)
#define B       HTML_BLOCK
#define DROPPED HTML_DROPPED
#define WHOLE   HTML_CONTAINER

/* Sorted. */
/* clang-format off */
static const struct html_element elements[] = {
    {"address", B, 0, HTML_OF_P, 0},
    {"area", HTML_VOID, 0, 0, 0},
    {"article", B | HTML_ARTICLE | WHOLE, 0, HTML_OF_P, 0},
    {"aside", B | WHOLE, 0, HTML_OF_P, 0},
    {"audio", DROPPED, 0, 0, 0},
    {"base", HTML_VOID, 0, 0, 0},
    {"blockquote", P | WHOLE, 0, HTML_OF_P, 0},
    {"body", B | WHOLE, 0, HTML_OF_P, 0},
    {"br", HTML_VOID, 0, 0, 0},
    {"canvas", DROPPED, 0, 0, 0},
    {"caption", B | WHOLE, 0, HTML_OF_P, 0},
    {"center", B, 0, HTML_OF_P, 0},
    {"col", HTML_VOID, 0, 0, 0},
    {"datalist", DROPPED, 0, 0, 0},
    {"dd", HTML_BLOCK, HTML_OF_TERMS, HTML_OF_TERMS, 0},
    {"details", B | WHOLE, 0, HTML_OF_P, 0},
    {"dialog", B | WHOLE, 0, HTML_OF_P, 0},
    {"div", B | WHOLE, 0, HTML_OF_P, 0},
    {"dl", P | WHOLE, 0, HTML_OF_P, 0},
    {"dt", HTML_BLOCK, HTML_OF_TERMS, HTML_OF_TERMS, 0},
    {"embed", HTML_VOID, 0, 0, 0},
    {"fieldset", B | WHOLE, 0, HTML_OF_P, 0},
    {"figcaption", B | WHOLE, 0, HTML_OF_P, 0},
    {"figure", P | WHOLE, 0, HTML_OF_P, 0},
    {"footer", B | HTML_SIDE | WHOLE, 0, HTML_OF_P, 0},
    {"form", B | WHOLE, 0, HTML_OF_P, 0},
    {"frame", HTML_VOID, 0, 0, 0},
    {"h1", P, 0, HTML_OF_P, 1},
    {"h2", P, 0, HTML_OF_P, 2},
    {"h3", P, 0, HTML_OF_P, 3},
    {"h4", P, 0, HTML_OF_P, 4},
    {"h5", P, 0, HTML_OF_P, 5},
    {"h6", P, 0, HTML_OF_P, 6},
    {"head", WHOLE, 0, 0, 0},
    {"header", B | WHOLE, 0, HTML_OF_P, 0},
    {"hr", B | HTML_VOID, 0, HTML_OF_P, 0},
    {"html", WHOLE, 0, 0, 0},
    {"iframe", DROPPED, 0, 0, 0},
    {"img", HTML_VOID, 0, 0, 0},
    {"input", HTML_VOID, 0, 0, 0},
    {"li", B, HTML_OF_ITEMS, HTML_OF_P | HTML_OF_ITEMS, 0},
    {"link", HTML_VOID, 0, 0, 0},
    {"main", B | HTML_MAIN | WHOLE, 0, HTML_OF_P, 0},
    {"menu", P | WHOLE, 0, HTML_OF_P, 0},
    {"meta", HTML_VOID, 0, 0, 0},
    {"nav", B | HTML_SIDE | WHOLE, 0, HTML_OF_P, 0},
    {"noembed", DROPPED, 0, 0, 0},
    {"noframes", DROPPED, 0, 0, 0},
    {"noscript", DROPPED, 0, 0, 0},
    {"object", DROPPED, 0, 0, 0},
    {"ol", P | WHOLE, 0, HTML_OF_P, 0},
    {"option", HTML_BLOCK, HTML_OF_OPTIONS, HTML_OF_OPTIONS, 0},
    {"p", P, HTML_OF_P, HTML_OF_P, 0},
    {"param", HTML_VOID, 0, 0, 0},
    {"pre", P | HTML_AS_IS, 0, HTML_OF_P, 0},
    {"script", DROPPED, 0, 0, 0},
    {"section", B | WHOLE, 0, HTML_OF_P, 0},
    {"select", DROPPED, 0, 0, 0},
    {"source", HTML_VOID, 0, 0, 0},
    {"style", DROPPED, 0, 0, 0},
    {"summary", B, 0, HTML_OF_P, 0},
    {"svg", DROPPED, 0, 0, 0},
    {"table", P | WHOLE, 0, HTML_OF_P, 0},
    {"tbody", HTML_BLOCK, HTML_OF_ROW_GROUPS, HTML_OF_CELLS | HTML_OF_ROWS | HTML_OF_ROW_GROUPS, 0},
    {"td", HTML_CELL, HTML_OF_CELLS, HTML_OF_CELLS, 0},
    {"template", DROPPED, 0, 0, 0},
    {"textarea", DROPPED, 0, 0, 0},
    {"tfoot", HTML_BLOCK, HTML_OF_ROW_GROUPS, HTML_OF_CELLS | HTML_OF_ROWS | HTML_OF_ROW_GROUPS, 0},
    {"th", HTML_CELL, HTML_OF_CELLS, HTML_OF_CELLS, 0},
    {"thead", HTML_BLOCK, HTML_OF_ROW_GROUPS, HTML_OF_CELLS | HTML_OF_ROWS | HTML_OF_ROW_GROUPS, 0},
    {"title", 0, 0, 0, 0},
    {"tr", HTML_BLOCK, HTML_OF_ROWS, HTML_OF_CELLS | HTML_OF_ROWS, 0},
    {"track", HTML_VOID, 0, 0, 0},
    {"ul", P | WHOLE, 0, HTML_OF_P, 0},
    {"video", DROPPED, 0, 0, 0},
    {"wbr", HTML_VOID, 0, 0, 0},
};
/* clang-format on */

static const struct html_element other = {"", 0, 0, 0, 0};

static int compare(const void *name, const void *element)
{
    return strcmp(name, ((const struct html_element *)element)->name);
}

const struct html_element *html_element_find(const char *name)
{
    const struct html_element *found =
        bsearch(name, elements, ARRAY_LENGTH(elements), sizeof(*elements), compare);

    return found ? found : &other;
}

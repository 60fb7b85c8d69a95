#pragma once
/* From a page of HTML to a text that a model reads: headings as "# …", items as "- …", links as
 * "text (url)", rows of tables with " | " between. Pure; its time is linear in the page.
 *
 * Left out: scripts, styles, forms' choices, what is hidden from people (hidden, aria-hidden,
 * display:none, text of no size), so that a page can't say to a model what it says to nobody else;
 * navigation and footers outside of the main part. Where the page has a main part (<main>, else its
 * articles) with something in it, that alone is the text.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

#define HTML_TITLE_MAX  300               /* bytes */
#define HTML_LINKS_MAX  1000              /* more have no address */
#define HTML_OPEN_MAX   256               /* elements within each other; what is deeper is flat */
#define HTML_TEXT_BYTES ((size_t)1 << 20) /* of a text, before the main part is chosen */

struct html_page {
    struct buf title;
    struct buf text;
    bool is_cut; /* the page has more than HTML_TEXT_BYTES of it */
};

void html_page_init(struct html_page *page);
void html_page_deinit(struct html_page *page);

struct html_source {
    struct text html; /* UTF-8 */
    struct text base; /* the page's address, for links that are relative */
    bool is_xml;      /* XHTML: any element may be closed at once, as in <p/> */
};

void html_to_text(const struct html_source *source, struct html_page *out);

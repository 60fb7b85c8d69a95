/* References to characters. Names are those of HTML 4 and what else is met; a reference that is
 * none stays as it stands. */

#include "worker/tools/web/text/html_entity.h"

#include <stdio.h>
#include <stdlib.h>

#define NAME_MAX_BYTES 12
#define DIGITS_MAX     12
#define REPLACEMENT    0xfffdU

struct entity {
    const char name[NAME_MAX_BYTES];
    uint16_t code;
};

/* Sorted. */
static const struct entity entities[] = {
    {"AElig", 198},    {"Aacute", 193},  {"Acirc", 194},   {"Agrave", 192},   {"Alpha", 913},
    {"Aring", 197},    {"Atilde", 195},  {"Auml", 196},    {"Beta", 914},     {"Ccaron", 268},
    {"Ccedil", 199},   {"Chi", 935},     {"Dagger", 8225}, {"Delta", 916},    {"ETH", 208},
    {"Eacute", 201},   {"Ecirc", 202},   {"Egrave", 200},  {"Epsilon", 917},  {"Eta", 919},
    {"Euml", 203},     {"Gamma", 915},   {"Hat", 94},      {"Iacute", 205},   {"Icirc", 206},
    {"Igrave", 204},   {"Iota", 921},    {"Iuml", 207},    {"Kappa", 922},    {"Lambda", 923},
    {"Lstrok", 321},   {"Mu", 924},      {"NewLine", 10},  {"Ntilde", 209},   {"Nu", 925},
    {"OElig", 338},    {"Oacute", 211},  {"Ocirc", 212},   {"Ograve", 210},   {"Omega", 937},
    {"Omicron", 927},  {"Oslash", 216},  {"Otilde", 213},  {"Ouml", 214},     {"Phi", 934},
    {"Pi", 928},       {"Prime", 8243},  {"Psi", 936},     {"Rho", 929},      {"Scaron", 352},
    {"Sigma", 931},    {"THORN", 222},   {"Tab", 9},       {"Tau", 932},      {"Theta", 920},
    {"Uacute", 218},   {"Ucirc", 219},   {"Ugrave", 217},  {"Upsilon", 933},  {"Uuml", 220},
    {"Xi", 926},       {"Yacute", 221},  {"Yuml", 376},    {"Zcaron", 381},   {"Zeta", 918},
    {"aacute", 225},   {"acirc", 226},   {"acute", 180},   {"aelig", 230},    {"agrave", 224},
    {"alefsym", 8501}, {"alpha", 945},   {"amp", 38},      {"and", 8743},     {"ang", 8736},
    {"aogon", 261},    {"apos", 39},     {"aring", 229},   {"ast", 42},       {"asymp", 8776},
    {"atilde", 227},   {"auml", 228},    {"bdquo", 8222},  {"beta", 946},     {"brvbar", 166},
    {"bsol", 92},      {"bull", 8226},   {"cacute", 263},  {"cap", 8745},     {"ccaron", 269},
    {"ccedil", 231},   {"cedil", 184},   {"cent", 162},    {"check", 10003},  {"chi", 967},
    {"circ", 710},     {"clubs", 9827},  {"colon", 58},    {"comma", 44},     {"commat", 64},
    {"cong", 8773},    {"copy", 169},    {"crarr", 8629},  {"cup", 8746},     {"curren", 164},
    {"dArr", 8659},    {"dagger", 8224}, {"darr", 8595},   {"dash", 8208},    {"deg", 176},
    {"delta", 948},    {"diams", 9830},  {"divide", 247},  {"dollar", 36},    {"eacute", 233},
    {"ecaron", 283},   {"ecirc", 234},   {"egrave", 232},  {"empty", 8709},   {"emsp", 8195},
    {"ensp", 8194},    {"eogon", 281},   {"epsilon", 949}, {"equals", 61},    {"equiv", 8801},
    {"eta", 951},      {"eth", 240},     {"euml", 235},    {"euro", 8364},    {"excl", 33},
    {"exist", 8707},   {"fnof", 402},    {"forall", 8704}, {"frac12", 189},   {"frac14", 188},
    {"frac34", 190},   {"frasl", 8260},  {"gamma", 947},   {"gbreve", 287},   {"ge", 8805},
    {"grave", 96},     {"gt", 62},       {"hArr", 8660},   {"harr", 8596},    {"hearts", 9829},
    {"hellip", 8230},  {"hyphen", 8208}, {"iacute", 237},  {"icirc", 238},    {"iexcl", 161},
    {"igrave", 236},   {"image", 8465},  {"infin", 8734},  {"inodot", 305},   {"int", 8747},
    {"iota", 953},     {"iquest", 191},  {"isin", 8712},   {"iuml", 239},     {"kappa", 954},
    {"lArr", 8656},    {"lambda", 955},  {"lang", 9001},   {"laquo", 171},    {"larr", 8592},
    {"lbrack", 91},    {"lceil", 8968},  {"lcub", 123},    {"ldquo", 8220},   {"le", 8804},
    {"lfloor", 8970},  {"lowast", 8727}, {"lowbar", 95},   {"loz", 9674},     {"lpar", 40},
    {"lrm", 8206},     {"lsaquo", 8249}, {"lsquo", 8216},  {"lstrok", 322},   {"lt", 60},
    {"macr", 175},     {"mdash", 8212},  {"micro", 181},   {"middot", 183},   {"minus", 8722},
    {"mu", 956},       {"nabla", 8711},  {"nacute", 324},  {"nbsp", 160},     {"ndash", 8211},
    {"ne", 8800},      {"ni", 8715},     {"not", 172},     {"notin", 8713},   {"nsub", 8836},
    {"ntilde", 241},   {"nu", 957},      {"num", 35},      {"numsp", 8199},   {"oacute", 243},
    {"ocirc", 244},    {"odblac", 337},  {"oelig", 339},   {"ograve", 242},   {"oline", 8254},
    {"omega", 969},    {"omicron", 959}, {"oplus", 8853},  {"or", 8744},      {"ordf", 170},
    {"ordm", 186},     {"oslash", 248},  {"otilde", 245},  {"otimes", 8855},  {"ouml", 246},
    {"para", 182},     {"part", 8706},   {"percnt", 37},   {"period", 46},    {"permil", 8240},
    {"perp", 8869},    {"phi", 966},     {"phone", 9742},  {"pi", 960},       {"piv", 982},
    {"plus", 43},      {"plusmn", 177},  {"pound", 163},   {"prime", 8242},   {"prod", 8719},
    {"prop", 8733},    {"psi", 968},     {"quest", 63},    {"quot", 34},      {"rArr", 8658},
    {"radic", 8730},   {"rang", 9002},   {"raquo", 187},   {"rarr", 8594},    {"rbrack", 93},
    {"rcaron", 345},   {"rceil", 8969},  {"rcub", 125},    {"rdquo", 8221},   {"real", 8476},
    {"reg", 174},      {"rfloor", 8971}, {"rho", 961},     {"rlm", 8207},     {"rpar", 41},
    {"rsaquo", 8250},  {"rsquo", 8217},  {"sacute", 347},  {"sbquo", 8218},   {"scaron", 353},
    {"scedil", 351},   {"sdot", 8901},   {"sect", 167},    {"semi", 59},      {"shy", 173},
    {"sigma", 963},    {"sigmaf", 962},  {"sim", 8764},    {"sol", 47},       {"spades", 9824},
    {"star", 9734},    {"sub", 8834},    {"sube", 8838},   {"sum", 8721},     {"sup", 8835},
    {"sup1", 185},     {"sup2", 178},    {"sup3", 179},    {"supe", 8839},    {"szlig", 223},
    {"tau", 964},      {"there4", 8756}, {"theta", 952},   {"thetasym", 977}, {"thinsp", 8201},
    {"thorn", 254},    {"tilde", 732},   {"times", 215},   {"trade", 8482},   {"uArr", 8657},
    {"uacute", 250},   {"uarr", 8593},   {"ucirc", 251},   {"udblac", 369},   {"ugrave", 249},
    {"uml", 168},      {"upsih", 978},   {"upsilon", 965}, {"uuml", 252},     {"verbar", 124},
    {"vert", 124},     {"weierp", 8472}, {"xi", 958},      {"yacute", 253},   {"yen", 165},
    {"yuml", 255},     {"zacute", 378},  {"zcaron", 382},  {"zdot", 380},     {"zeta", 950},
    {"zwj", 8205},     {"zwnj", 8204},
};

/* What the numbers 128 to 159 mean, by those who wrote them: windows-1252. */
static const uint16_t of_windows[32] = {
    0x20ac, 0xfffd, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0xfffd, 0x017d, 0xfffd, 0xfffd, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0xfffd, 0x017e, 0x0178,
};

/* Those that count without a semicolon, too. */
static const char *const bare[] = {"amp", "lt", "gt", "quot", "nbsp", "copy", "reg"};

static int compare(const void *key, const void *entry)
{
    return strcmp(key, ((const struct entity *)entry)->name);
}

static uint32_t clean(uint32_t code)
{
    if (code >= 0x80 && code <= 0x9f)
        return of_windows[code - 0x80];
    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return REPLACEMENT;
    return code;
}

/* "&#38;", "&#x26;", and both without the semicolon. Returns bytes; 0: it is none. */
static size_t read_number(struct text at, uint32_t *out)
{
    bool hex = at.len > 2 && (at.ptr[2] == 'x' || at.ptr[2] == 'X');
    size_t begin = hex ? 3 : 2;
    size_t i = begin;
    uint32_t code = 0;

    for (; i < at.len && i < begin + DIGITS_MAX; i++) {
        int digit = text_hex_digit(at.ptr[i]);

        if (digit < 0 || (!hex && digit > 9))
            break;
        code = code > 0x10ffff ? code : code * (hex ? 16 : 10) + (uint32_t)digit;
    }
    if (i == begin)
        return 0;
    *out = clean(code);
    return i < at.len && at.ptr[i] == ';' ? i + 1 : i;
}

static bool is_bare(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(bare); i++)
        if (strcmp(bare[i], name) == 0)
            return true;
    return false;
}

static size_t read_name(struct text at, uint32_t *out)
{
    char name[NAME_MAX_BYTES + 1];
    const struct entity *found;
    size_t len = 0;
    bool closed;

    while (len < NAME_MAX_BYTES && len + 1 < at.len) {
        char c = at.ptr[len + 1];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')))
            break;
        name[len++] = c;
    }
    name[len] = 0;
    closed = len + 1 < at.len && at.ptr[len + 1] == ';';
    if (len == 0 || (!closed && !is_bare(name)))
        return 0;
    found = bsearch(name, entities, ARRAY_LENGTH(entities), sizeof(*entities), compare);
    if (!found)
        return 0;
    *out = found->code;
    return len + 1 + closed;
}

size_t html_entity_read(struct text at, uint32_t *out)
{
    if (at.len < 3 || at.ptr[0] != '&')
        return 0;
    return at.ptr[1] == '#' ? read_number(at, out) : read_name(at, out);
}

size_t html_utf8_put(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

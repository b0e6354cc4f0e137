/**
 * The fonts for reading, from npm; the SIL Open Font License 1.1 lets them be
 * copied into the site.
 *
 * @module
 */
import regular from "@fontsource/source-serif-4/files/source-serif-4-latin-400-normal.woff2" with {
  type: "bytes",
};
import italic from "@fontsource/source-serif-4/files/source-serif-4-latin-400-italic.woff2" with {
  type: "bytes",
};
import bold from "@fontsource/source-serif-4/files/source-serif-4-latin-600-normal.woff2" with {
  type: "bytes",
};

/** Their files, by the names that page.css gives them. */
export const FONTS = {
  "serif-regular.woff2": regular,
  "serif-italic.woff2": italic,
  "serif-bold.woff2": bold,
};

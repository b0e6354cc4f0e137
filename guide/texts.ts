/**
 * What the pages say themselves, in each language.
 *
 * @module
 */

/** The languages of the course; the first is the one of `index.html`'s source. */
export const LANGUAGES = ["fr", "en"] as const;

/** A language of the course. */
export type Language = typeof LANGUAGES[number];

/** The page in the other language. */
export const OTHER: Record<Language, Language> = { fr: "en", en: "fr" };

const fr = {
  name: "Français",
  course: "Les sockets, un fichier à la fois",
  skip: "Aller au contenu",
  contents: "Sommaire",
  all: "Tout sur une page",
  search: "Rechercher",
  none: "Aucun résultat",
  resume: "Reprendre\u00A0: ",
  section: (number: string) => `section ${number} du cours`,
  permalink: (title: string) => `Lien vers «\u00A0${title}\u00A0»`,
  copy: "Copier",
  copied: "Copié",
  failed: "Impossible de copier",
  download: "Télécharger",
  wholeFile: (file: string, lines: number) =>
    `Tout le fichier <code>${file}</code>, ${lines} lignes`,
  twin: ", et le même programme en Python",
  tabs: "Langage",
  codeOf: (what: string) => `code ${what}`,
  table: (where: string) => `Tableau\u00A0: ${where}`,
  diagram: "Schéma\u00A0:",
};

/** Buttons and labels. */
export const TEXTS: Record<Language, typeof fr> = {
  fr,
  en: {
    name: "English",
    course: "Sockets, one file at a time",
    skip: "Skip to the text",
    contents: "Contents",
    all: "Everything on one page",
    search: "Search",
    none: "Nothing found",
    resume: "Go on: ",
    section: (number) => `section ${number} of the course`,
    permalink: (title) => `Link to “${title}”`,
    copy: "Copy",
    copied: "Copied",
    failed: "Could not copy",
    download: "Download",
    wholeFile: (file, lines) =>
      `The whole file <code>${file}</code>, ${lines} lines`,
    twin: ", and the same in Python",
    tabs: "Language",
    codeOf: (what) => `code ${what}`,
    table: (where) => `Table: ${where}`,
    diagram: "Diagram:",
  },
};

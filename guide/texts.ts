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
  /** Said in the language that it leads to, in the other language's page. */
  read: "Lire cette section en français",
  skip: "Aller au texte",
  contents: "Sommaire",
  keys: "section précédente ou suivante",
  copy: "Copier\u00A0: ",
  copied: "Copié",
  failed: "Impossible de copier",
  close: "Fermer",
  download: "Télécharger",
  codeOf: (what: string) => `code ${what}`,
  table: (where: string) => `Tableau\u00A0: ${where}`,
  diagram: (caption: string) => `Schéma\u00A0: ${caption}`,
  footer: "Cette page se suffit à elle-même : elle ne charge rien d’ailleurs.",
};

/** Buttons and labels. */
export const TEXTS: Record<Language, typeof fr> = {
  fr,
  en: {
    name: "English",
    read: "Read this section in English",
    skip: "Skip to the text",
    contents: "Contents",
    keys: "previous or next section",
    copy: "Copy: ",
    copied: "Copied",
    failed: "Could not copy",
    close: "Close",
    download: "Download",
    codeOf: (what) => `code ${what}`,
    table: (where) => `Table: ${where}`,
    diagram: (caption) => `Diagram: ${caption}`,
    footer: "This page is complete in itself: it loads nothing from elsewhere.",
  },
};

/** What Deno's flags allow, as HTML; a command with another flag fails the build. */
export const FLAGS: Record<string, Record<Language, string>> = {
  "--allow-net": {
    fr:
      "Le script peut utiliser le réseau : écouter sur un port, se connecter " +
      "à une machine. Sans cette option, Deno refuse. " +
      "<code>--allow-net=127.0.0.1:50000</code> ne permet que cette adresse.",
    en: "The script may use the network: listen on a port, connect to a " +
      "machine. Without this flag, Deno refuses. " +
      "<code>--allow-net=127.0.0.1:50000</code> allows only that address.",
  },
  "--allow-read": {
    fr:
      "Le script peut lire des fichiers : le sien, pour démarrer un thread, " +
      "ou ceux du dossier que sert le serveur web. Sans cette option, Deno " +
      "refuse. <code>--allow-read=dossier</code> ne permet que ce dossier.",
    en: "The script may read files: its own, to start a thread, or those of " +
      "the folder that the web server serves. Without this flag, Deno refuses. " +
      "<code>--allow-read=folder</code> allows only that folder.",
  },
  "--allow-write": {
    fr: "Le script peut créer, modifier et supprimer des fichiers.",
    en: "The script may create, change and delete files.",
  },
  "--allow-run": {
    fr: "Le script peut démarrer d'autres programmes, qui ont, eux, tous les " +
      "droits.",
    en:
      "The script may start other programs, which themselves may do anything.",
  },
  "--allow-env": {
    fr: "Le script peut lire les variables d'environnement.",
    en: "The script may read environment variables.",
  },
  "--allow-all": {
    fr: "Le script a tous les droits, comme un programme en Python.",
    en: "The script may do anything, as a Python program may.",
  },
  "--unstable-net": {
    fr: "Ce n'est pas une permission : cette option active ce que Deno dit " +
      "instable, dont la forme peut encore changer. Ici, UDP, et le partage " +
      "d'un port entre plusieurs sockets (<code>SO_REUSEPORT</code>).",
    en: "This is no permission: it turns on what Deno calls unstable, whose " +
      "form may still change. Here, UDP, and several sockets that share a port " +
      "(<code>SO_REUSEPORT</code>).",
  },
};

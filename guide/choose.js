// The first page leads to the reader's language: English unless it is French.

const french = navigator.language.startsWith("fr");
location.replace((french ? "fr" : "en") + "/00-index.html");

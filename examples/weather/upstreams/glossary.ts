import glossary from "../data/glossary.json" with { type: "json" };

type Dictionary = ReadonlyMap<string, string>;

const cities = Object.entries(glossary.cities);
const sky = Object.entries(glossary.sky);
const toRussian: Dictionary = new Map(
	[...cities, ...sky].map(([english, russian]) => [fold(english), russian]),
);
const toEnglish: Dictionary = new Map(
	cities.map(([english, russian]) => [fold(russian), english]),
);
/** Keyed by both languages, from and to. The words of the sky go one way: `ясно` alone could be of many skies. */
const dictionaries = new Map([
	["en-ru", toRussian],
	["ru-en", toEnglish],
]);

/** What the glossary has for the whole text; a text it does not know comes back as it came. */
export function translate(text: string, from: string, to: string): string {
	return dictionaries.get(`${from}-${to}`)?.get(fold(text)) ?? text;
}

/** The same for all spellings of a name: `Нью-Йорк`, ` нью йорк`. */
export function fold(name: string): string {
	return name
		.normalize()
		.trim()
		.toLowerCase()
		.replace(/[\s-]+/g, " ");
}

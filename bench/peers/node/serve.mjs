// What the programs here share: their settings, and how they say that they listen.

/** The settings, which are one argument in JSON. */
export const settings = JSON.parse(process.argv[2]);

/** Where this program is reached. */
export const origin = settings.origin;

/** Where it listens. */
export const place = [settings.port, '127.0.0.1'];

export declare const SWITCHES: ReadonlyMap<string, 'on' | 'off'>;
export declare function switched(text: string, names: string): string | undefined;

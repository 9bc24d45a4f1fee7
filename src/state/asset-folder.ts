/** The address, in stack traces and arguments, of the files that a single executable has in it; a folder of this name would be of no effect. */
export const assetFolder = '/in-ferryline';

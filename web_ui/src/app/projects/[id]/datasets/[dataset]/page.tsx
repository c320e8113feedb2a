import { DatasetPage } from "@/features/dataset/dataset-page";

export default DatasetPage;
